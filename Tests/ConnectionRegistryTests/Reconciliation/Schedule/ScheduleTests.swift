@testable import ConnectionRegistry
import Foundation
import Testing

/// Who is due, in which order, and what was missed, over made-up times.
@Suite struct ScheduleTests {
  private static let now = Date(timeIntervalSince1970: 1_800_000_000)
  private let schedule = ReconciliationSchedule(demand: .every(900), lease: 120)

  private func place(
    at seconds: Double, lease: Double? = nil, isUnderWay: Bool = false, started: Double? = nil
  ) -> ReconciliationSchedule.Place {
    .init(
      tenantID: UUID(), slug: "t", placeAt: Self.now + seconds, startedAt: started.map { Self.now + $0 },
      isUnderWay: isUnderWay, leaseUntil: lease.map { Self.now + $0 })
  }

  @Test func onlyWhatIsDueIsDue() {
    #expect(schedule.standing(place(at: 0), at: Self.now) == .due)
    #expect(schedule.standing(place(at: 1), at: Self.now) == .waiting(until: Self.now + 1))
    #expect(
      schedule.standing(place(at: -5, lease: 10, isUnderWay: true), at: Self.now) == .atWork(until: Self.now + 10))
    var paused = place(at: -5, isUnderWay: true)
    paused.isPaused = true
    #expect(schedule.standing(paused, at: Self.now) == .paused)
    var disabled = place(at: -5)
    disabled.isDisabled = true
    #expect(schedule.standing(disabled, at: Self.now) == .disabled)
    disabled.isUnderWay = true
    #expect(schedule.standing(disabled, at: Self.now) == .due)
  }

  @Test func aLeaseThatRanOutIsARunThatWasKilled() {
    #expect(schedule.standing(place(at: -100, lease: -0.001, isUnderWay: true), at: Self.now) == .due)
    #expect(schedule.standing(place(at: -100, lease: 0, isUnderWay: true), at: Self.now) == .atWork(until: Self.now))
  }

  @Test func whatWasWrittenBeforeTheClockWentBackHoldsNobodyUp() {
    #expect(schedule.standing(place(at: 3 * 3_600), at: Self.now) == .due)
    #expect(schedule.standing(place(at: 900), at: Self.now) == .waiting(until: Self.now + 900))
    #expect(schedule.standing(place(at: -5, lease: 3 * 3_600, isUnderWay: true), at: Self.now) == .due)
    #expect(
      schedule.standing(place(at: -5, lease: 121, isUnderWay: true), at: Self.now) == .atWork(until: Self.now + 121))
    #expect(schedule.standing(place(at: 901), at: Self.now) == .waiting(until: Self.now + 901), "read a moment before")
  }

  @Test func theOldestGoFirstAndWhatStandsAheadOfTheClockIsTheOldest() {
    let places = [
      place(at: -1), place(at: -30), place(at: 20), place(at: 1e6), place(at: -2, lease: 5, isUnderWay: true),
    ]
    let queue = schedule.queue(places.shuffled(), at: Self.now)
    #expect(queue.map(\.tenantID) == [places[3], places[1], places[0]].map(\.tenantID))
  }

  @Test func missedRunsAreCountedWithoutTheOneThatIsCaughtUp() {
    #expect(schedule.missed(since: nil, at: Self.now) == 0)
    #expect(schedule.missed(since: Self.now, at: Self.now) == 0)
    #expect(schedule.missed(since: Self.now - 899, at: Self.now) == 0)
    #expect(schedule.missed(since: Self.now - 900, at: Self.now) == 1)
    #expect(schedule.missed(since: Self.now - 3_700, at: Self.now) == 4)
    // The clock went back, and far ahead.
    #expect(schedule.missed(since: Self.now + 5_000, at: Self.now) == 0)
    #expect(schedule.missed(since: .distantPast, at: .distantFuture) <= 1_000_000_000)
  }

  @Test(arguments: [1.0, 60, 900, 21_600]) func everyTenantHasMomentsOfItsOwn(_ period: Double) throws {
    let schedule = ReconciliationSchedule(demand: .every(period), lease: 120)
    var fractions: [Double] = []
    for _ in 0..<1_000 {
      let tenant = UUID.version7()
      var last = try #require(schedule.next(for: tenant, after: Self.now))
      #expect(last > Self.now && last <= Self.now + period + 1e-3)
      for _ in 0..<4 {
        let next = try #require(schedule.next(for: tenant, after: last + period / 1_000))
        #expect(abs(next.timeIntervalSince(last) - period) < 1e-3)
        last = next
      }
      fractions.append(last.timeIntervalSince1970.truncatingRemainder(dividingBy: period) / period)
    }
    // Spread over the period: each tenth of it has some.
    for tenth in 0..<10 {
      let count = fractions.count { Int($0 * 10) == tenth }
      #expect((50...160).contains(count), "tenth \(tenth): \(count)")
    }
  }

  @Test func onceMeansWhoeverWasNotBegunSince() {
    let once = ReconciliationSchedule(demand: .once(since: Self.now - 10), lease: 120)
    #expect(once.standing(place(at: 500), at: Self.now) == .due)
    #expect(once.standing(place(at: 500, started: -11), at: Self.now) == .due)
    #expect(once.standing(place(at: -500, started: -10), at: Self.now) == .done)
    #expect(once.standing(place(at: -500, started: 5), at: Self.now) == .due)
    #expect(once.standing(place(at: -500, isUnderWay: true, started: -5), at: Self.now) == .due)
    #expect(once.next(for: UUID(), after: Self.now) == nil && once.missed(since: .distantPast, at: Self.now) == 0)
  }

  @Test func whoIsPutOffWaitsAsLongAgainAndNotTooLong() {
    func pause(_ schedule: ReconciliationSchedule, started: Double?) -> Double {
      schedule.retry(place(at: -5, isUnderWay: true, started: started), at: Self.now).timeIntervalSince(Self.now)
    }
    let pauses = [nil, -1, -120, -300, -899, -1e6, 50].map { pause(schedule, started: $0) }
    #expect(pauses == [120, 120, 120, 300, 899, 900, 120])
    // Whoever knows no period takes what lies further ahead than a lease for a clock that went back.
    let once = ReconciliationSchedule(demand: .once(since: Self.now), lease: 120)
    #expect(pause(once, started: -5_000) == 120)
    // Put off is not due, nor the oldest.
    #expect(schedule.standing(place(at: 300, isUnderWay: true), at: Self.now) == .waiting(until: Self.now + 300))
    let queue = once.queue([place(at: 300, isUnderWay: true), place(at: -5)], at: Self.now)
    #expect(queue.map(\.placeAt) == [Self.now - 5, Self.now + 300])
  }

  @Test func nobodyWaitsLongForANewTenant() {
    #expect(schedule.idle(until: nil, at: Self.now, spread: 0) <= .seconds(16))
    #expect(schedule.idle(until: Self.now + 86_400, at: Self.now, spread: 1) <= .seconds(16))
    #expect(schedule.idle(until: Self.now + 2, at: Self.now, spread: 0) >= .seconds(2))
    #expect(schedule.idle(until: Self.now - 2, at: Self.now, spread: 0) > .zero)
  }

  @Test func aPaceFollowsWhatStepsTake() {
    var pace = SlicePace(size: 1_000, bounds: 1...10_000, target: 0.4)
    pace.note(done: 1_000, seconds: 0.1)
    #expect(pace.size == 4_000)
    pace.note(done: 10, seconds: 0.001)
    #expect(pace.size == 4_000, "a short last step says nothing")
    pace.note(done: 4_000, seconds: 0.8)
    #expect(pace.size == 2_000)
    for _ in 0..<10 { pace.shrink() }
    #expect(pace.size == 1 && pace.isLeast)
    for _ in 0..<20 { pace.note(done: pace.size, seconds: 0) }
    #expect(pace.size == 10_000)
  }
}

@testable import ConnectionRegistry
import Foundation
import Testing

/// What is decided about deliveries without a server, a socket or a clock.
@Suite struct DeliveryDecisionTests {
  private let now = Date(timeIntervalSince1970: 1_795_000_000)

  @Test func triesForThreeDaysWithGrowingPauses() {
    let schedule = DeliverySchedule()
    var age = Duration.zero
    var pauses: [Duration] = []
    while let pause = schedule.pause(after: pauses.count + 1, age: age, chance: 0.5) {
      pauses.append(pause)
      age += pause
    }
    #expect(pauses.prefix(4) == [.seconds(5), .seconds(15), .seconds(45), .seconds(135)])
    #expect(age == .seconds(72 * 3_600), "the last attempt is made when three days are over")
    #expect(pauses.dropLast().max() == .seconds(8 * 3_600))
    #expect(pauses.count == 17)
  }

  @Test func spreadsPausesByAFifth() {
    let schedule = DeliverySchedule()
    #expect(schedule.pause(after: 1, age: .zero, chance: 0) == .seconds(4))
    #expect(schedule.pause(after: 1, age: .zero, chance: 1) == .seconds(6))
    #expect(schedule.pause(after: 1, age: .zero, chance: 7) == .seconds(6))
  }

  @Test func neverComesEarlierThanItWasAskedTo() {
    let schedule = DeliverySchedule()
    #expect(schedule.pause(after: 1, age: .zero, chance: 0.5, retryAfter: .seconds(60)) == .seconds(60))
    #expect(schedule.pause(after: 9, age: .zero, chance: 0.5, retryAfter: .seconds(60))! > .seconds(3_600))
  }

  /// A process that was away for a week still tries a few times before it gives up.
  @Test func givesUpAfterSomeAttemptsAtLeast() {
    let schedule = DeliverySchedule()
    let week = Duration.seconds(7 * 86_400)
    #expect((1...4).allSatisfy { schedule.pause(after: $0, age: week, chance: 0.5) != nil })
    #expect(schedule.pause(after: 5, age: week, chance: 0.5) == nil)
  }

  @Test(arguments: [200, 201, 202, 204, 299])
  func takesTwoHundreds(status: Int) {
    #expect(DeliveryOutcome(status: status, retryAfter: "5", now: now) == .delivered(status: status))
  }

  @Test(arguments: [100, 300, 301, 302, 307, 400, 401, 404, 500, 502, 504])
  func takesNothingElse(status: Int) {
    #expect(DeliveryOutcome(status: status, retryAfter: "5", now: now) == .failed(.init(.status, status: status)))
  }

  @Test(
    arguments: [
      ("7", 7), ("0", 1), ("999999", 3_600), ("99999999999999", nil), ("", nil), ("-1", nil), ("soon", nil),
      ("Wed, 18 Nov 2026 11:08:20 GMT", 1_300), ("Wed, 18 Nov 2020 11:08:20 GMT", 1),
    ] as [(String, Int?)])
  func readsRetryAfterWithinBounds(text: String, seconds: Int?) {
    let now = Date(timeIntervalSince1970: 1_794_998_800)
    for status in [429, 503] {
      let expected = DeliveryFailure(.status, status: status, retryAfter: seconds.map { .seconds($0) })
      #expect(DeliveryOutcome(status: status, retryAfter: text, now: now) == .failed(expected), "\(text)")
    }
  }

  private func verdict(_ outcome: DeliveryOutcome, attempts: Int = 0, age: Double = 0, failing: Double? = nil)
    -> DeliveryVerdict
  {
    DeliveryVerdict(
      outcome, attempts: attempts, dueSince: now.addingTimeInterval(-age),
      failingSince: failing.map { now.addingTimeInterval(-$0) }, at: now, settings: DeliveryConfiguration(), chance: 0.5
    )
  }

  @Test func judgesAttempts() {
    let failed = DeliveryOutcome.failed(.init(.status, status: 500))
    #expect(verdict(.delivered(status: 200)).next == .delivered)
    #expect(verdict(failed).next == .retry(at: now.addingTimeInterval(5)))
    #expect(verdict(failed, attempts: 2).next == .retry(at: now.addingTimeInterval(45)))
    #expect(verdict(failed, attempts: 2).attempts == 3)
    #expect(verdict(failed, attempts: 16, age: 3 * 86_400).next == .givenUp)
    let paused = verdict(.failed(.init(.status, status: 429, retryAfter: .seconds(100))))
    #expect(paused.next == .retry(at: now.addingTimeInterval(100)))
    #expect(paused.pausedUntil == now.addingTimeInterval(100))
  }

  @Test func disablesWhatIsGoneOrFailedForFiveDays() {
    let failed = DeliveryOutcome.failed(.init(.timedOut))
    #expect(verdict(failed, failing: 5 * 86_400 - 1).disables == nil)
    #expect(verdict(failed, failing: 5 * 86_400).disables == .failing)
    #expect(verdict(.delivered(status: 200), failing: 9 * 86_400).disables == nil)
    #expect(verdict(.failed(.init(.gone, status: 410))).disables == .gone)
    #expect(
      verdict(.failed(.init(.gone, status: 410))).next != .givenUp, "what waits is kept for an endpoint enabled again")
  }

  /// The example of the specification (Standard Webhooks, "Signature scheme", as its libraries test it).
  @Test func signsAsTheSpecificationDoes() throws {
    let secret = try #require(EndpointSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    let signature = secret.signature(
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: #"{"test": 2432232314}"#)
    #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    #expect(EndpointSecret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == nil)
    #expect(EndpointSecret("whsec_c2hvcnQ=") == nil)
    let new = EndpointSecret()
    #expect(
      EndpointSecret(new.text)?.signature(id: "a", timestamp: 1, body: "")
        == new.signature(id: "a", timestamp: 1, body: ""))
  }

  @Test func keepsPlacesForOthers() {
    var places = DeliveryPlaces(perEndpoint: 4)
    let (tenant, other) = (UUID(), UUID())
    let (endpoint, failing) = (UUID(), UUID())
    func taken(_ tenantID: UUID, _ endpointID: UUID?, isFailing: Bool = false) -> Int {
      var count = 0
      while places.take(tenantID: tenantID, endpointID: endpointID ?? UUID(), isFailing: isFailing) { count += 1 }
      return count
    }
    #expect(taken(tenant, endpoint) == 4, "an endpoint's limit")
    #expect(taken(tenant, failing, isFailing: true) == 2, "one that fails is asked by two")
    #expect(taken(tenant, nil) == 10, "a tenant's limit")
    #expect(taken(other, UUID()) == 4, "another tenant is not concerned")
    places.giveBack(tenantID: tenant, endpointID: endpoint, isFailing: false)
    #expect(taken(tenant, endpoint) == 1)
  }

  /// However many endpoints fail, half of all places stay for those that answer.
  @Test func leavesHalfOfAllPlacesToThoseThatAnswer() {
    var places = DeliveryPlaces(perEndpoint: 8)
    var failing = 0
    while places.take(tenantID: UUID(), endpointID: UUID(), isFailing: true) { failing += 1 }
    var answering = 0
    while places.take(tenantID: UUID(), endpointID: UUID(), isFailing: false) { answering += 1 }
    #expect(failing == places.total / 2 && failing + answering == places.total)
  }
}

import Testing

@testable import RegistryPostgres

@Suite struct DirectWaitTests {
  private func wait(_ manner: DirectWait.Manner, seats: DirectWait.Seats = .init(1)) -> DirectWait {
    var wait = DirectWait(limit: .microseconds(500), seats: seats)
    wait.manner = manner
    return wait
  }

  @Test func slowAnswersAreTriedLessAndLess() {
    var wait = wait(.asleep)
    var tries: [Int] = []
    for attempt in 0..<40 {
      guard let time = wait.begin() else { continue }
      tries.append(attempt)
      wait.end(.unanswered, lookedFor: time)
    }
    #expect(tries == [0, 2, 6, 14, 30])
  }

  @Test func isNotBegunWithoutALimitOrACaller() {
    var off = DirectWait(limit: .zero, seats: .init(1))
    off.manner = .awake
    let isOff = off.begin() == nil
    #expect(isOff)
    var nobody = wait(.never)
    let isNotAskedFor = nobody.begin() == nil
    #expect(isNotAskedFor)
  }

  @Test func looksAgainOnlyWhereThatWasNotInVain() {
    var wait = wait(.awake)
    var looks: [Bool] = []
    for ending in [DirectWait.Ending.answeredAwake, .answeredAwake, .answeredAsleep, .answeredAsleep, .answeredAwake] {
      guard let time = wait.begin() else { continue }
      looks.append(time > .zero)
      wait.end(ending, lookedFor: time)
    }
    // After the third, which slept, the fourth sleeps at once; the fifth looks once more.
    #expect(looks == [true, true, true, false, true] || looks.allSatisfy { !$0 }, "a single processor never looks")
    var asleep = self.wait(.asleep)
    let time = asleep.begin()
    #expect(time == .zero)
  }

  @Test func noMoreThreadsWaitThanThereAreSeats() {
    let seats = DirectWait.Seats(2)
    var waits = (0..<3).map { _ in wait(.asleep, seats: seats) }
    let begun = waits.indices.map { waits[$0].begin() != nil }
    #expect(begun == [true, true, false])
    waits[0].end(.answeredAsleep, lookedFor: .zero)
    let isFree = waits[2].begin() != nil
    #expect(isFree)
  }

  @Test func onlyALoneUserOfAPoolWaits() {
    let users = DirectWait.Users()
    var wait = DirectWait(limit: .microseconds(500), users: users, seats: .init(1))
    wait.manner = .asleep
    users.come()
    users.come()
    let isOneOfTwo = wait.begin() == nil
    #expect(isOneOfTwo)
    users.go()
    let isAlone = wait.begin() != nil
    #expect(isAlone)
  }

  @Test func lettingOthersHaveATurnIsDueAfterEightWaitsInARow() {
    var wait = wait(.asleep)
    func hold() {
      guard let time = wait.begin() else { return }
      wait.end(.answeredAsleep, lookedFor: time)
    }
    for _ in 0..<7 { hold() }
    let isEarly = wait.isOverdrawn()
    #expect(!isEarly)
    hold()
    let isDue = wait.isOverdrawn()
    #expect(isDue)
    let isAskedOnce = wait.isOverdrawn()
    #expect(!isAskedOnce)
    for _ in 0..<7 { hold() }
    wait.letGo()
    hold()
    let beganAnew = !wait.isOverdrawn()
    #expect(beganAnew)
  }
}

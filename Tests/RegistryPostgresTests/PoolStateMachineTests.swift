import TestRandom
import Testing

@testable import RegistryPostgres

@Suite struct PoolStateMachineTests {
  typealias Machine = PoolStateMachine

  private let start = ContinuousClock.now

  private func machine(
    connections: Int = 2, waiting: Int = 3, tolerance: Duration = .seconds(5)
  ) -> Machine {
    Machine(
      limits: .init(
        maximumConnections: connections, maximumWaiting: waiting, maximumLifetime: .seconds(3600),
        maximumIdleTime: .seconds(300), outageTolerance: tolerance))
  }

  private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

  @Test func opensForTheFirstCallersAndNoMoreThanAllowed() {
    var machine = machine()
    let (first, opening) = machine.request(1, deadline: at(30), now: start)
    #expect(first == .waiting)
    #expect(opening == [.open(1), .setAlarm(at(30))])
    #expect(machine.request(2, deadline: at(30), now: start).1 == [.open(2)])
    #expect(machine.request(3, deadline: at(30), now: start).1 == [])
    #expect(machine.connectionCount == 2)
  }

  @Test func servesCallersInTheOrderOfTheirComing() {
    var machine = machine(connections: 1)
    for waiter in 1...3 { _ = machine.request(UInt64(waiter), deadline: at(30), now: start) }
    #expect(machine.opened(1, lifetimeShare: 1, now: start) == [.lend(1, to: 1)])
    #expect(machine.returned(1, isReusable: true, now: start) == [.lend(1, to: 2)])
    #expect(machine.cancel(3) == [.refuse(3, .cancelled)])
    _ = machine.request(4, deadline: at(30), now: start)
    #expect(machine.returned(1, isReusable: true, now: start) == [.lend(1, to: 4)])
  }

  @Test func lendsTheConnectionUsedLast() {
    var machine = machine()
    _ = machine.request(1, deadline: at(30), now: start)
    _ = machine.request(2, deadline: at(30), now: start)
    _ = machine.opened(1, lifetimeShare: 1, now: start)
    _ = machine.opened(2, lifetimeShare: 1, now: start)
    _ = machine.returned(2, isReusable: true, now: at(1))
    _ = machine.returned(1, isReusable: true, now: at(2))
    #expect(machine.request(3, deadline: at(30), now: at(3)).0 == .lent(1))
    #expect(machine.request(4, deadline: at(30), now: at(3)).0 == .lent(2))
  }

  @Test func refusesOneCallerMoreThanMayWait() {
    var machine = machine(connections: 1, waiting: 2)
    #expect(machine.request(1, deadline: at(30), now: start).0 == .waiting)
    #expect(machine.request(2, deadline: at(30), now: start).0 == .waiting)
    #expect(machine.request(3, deadline: at(30), now: start).0 == .refused(.queueFull))
    #expect(machine.cancel(1) == [.refuse(1, .cancelled)])
    #expect(machine.request(4, deadline: at(30), now: start).0 == .waiting)
  }

  @Test func refusesACallerAtItsDeadlineAndAsksForTheNextAlarm() {
    var machine = machine(connections: 1)
    #expect(machine.request(1, deadline: at(10), now: start).1.contains(.setAlarm(at(10))))
    #expect(machine.request(2, deadline: at(5), now: start).1 == [.setAlarm(at(5))])
    #expect(machine.timePassed(now: at(5)) == [.refuse(2, .timedOut), .setAlarm(at(10))])
    #expect(machine.timePassed(now: at(10)) == [.refuse(1, .timedOut)])
    #expect(machine.request(3, deadline: at(10), now: at(10)).0 == .refused(.timedOut))
  }

  @Test func replacesABrokenConnectionOnlyForCallersWhoWait() {
    var machine = machine(connections: 1)
    _ = machine.request(1, deadline: at(30), now: start)
    _ = machine.opened(1, lifetimeShare: 1, now: start)
    _ = machine.request(2, deadline: at(30), now: start)
    #expect(machine.returned(1, isReusable: false, now: start) == [.close(1), .open(2)])
    #expect(machine.opened(2, lifetimeShare: 1, now: start) == [.lend(2, to: 2)])
    #expect(machine.returned(2, isReusable: false, now: start) == [.close(2)])
    #expect(machine.connectionCount == 0)
  }

  @Test func closesConnectionsPastTheirLifetimeAndIdleTime() {
    var machine = machine()
    _ = machine.request(1, deadline: at(30), now: start)
    _ = machine.request(2, deadline: at(30), now: start)
    _ = machine.opened(1, lifetimeShare: 0.9, now: start)
    _ = machine.opened(2, lifetimeShare: 1, now: start)
    #expect(machine.returned(2, isReusable: true, now: at(3000)) == [])
    #expect(machine.returned(1, isReusable: true, now: at(3240)) == [.close(1)])
    #expect(machine.timePassed(now: at(3299)) == [.setAlarm(at(3300))])
    #expect(machine.timePassed(now: at(3300)) == [.close(2)])
    #expect(machine.connectionCount == 0)
  }

  @Test func triesAgainAfterAPauseThatGrowsAndGivesUpPastTheTolerance() {
    var machine = machine(tolerance: .seconds(1))
    _ = machine.request(1, deadline: at(30), now: start)
    #expect(machine.openingFailed(1, isPermanent: false, jitter: 1, now: start) == [.setAlarm(at(0.05))])
    #expect(machine.request(2, deadline: at(30), now: start).1 == [])
    #expect(machine.timePassed(now: at(0.05)) == [.open(2), .setAlarm(at(30))])
    #expect(machine.openingFailed(2, isPermanent: false, jitter: 0, now: at(0.05)) == [.setAlarm(at(0.1))])
    #expect(machine.timePassed(now: at(0.1)) == [.open(3), .setAlarm(at(30))])
    let refusals = machine.openingFailed(3, isPermanent: false, jitter: 0, now: at(1))
    #expect(refusals == [.refuse(1, .unreachable), .refuse(2, .unreachable)])
  }

  @Test func givesUpAtOnceWhenWaitingCannotHelp() {
    var machine = machine()
    _ = machine.request(1, deadline: at(30), now: start)
    _ = machine.request(2, deadline: at(30), now: start)
    #expect(
      machine.openingFailed(1, isPermanent: true, jitter: 0, now: start)
        == [.refuse(1, .unreachable), .refuse(2, .unreachable)])
    #expect(machine.opened(2, lifetimeShare: 1, now: start) == [])
    #expect(machine.idleCount == 1)
  }

  @Test func keepsCallersWaitingWhileAConnectionIsInUse() {
    var machine = machine()
    _ = machine.request(1, deadline: at(30), now: start)
    _ = machine.opened(1, lifetimeShare: 1, now: start)
    _ = machine.request(2, deadline: at(20), now: start)
    let actions = machine.openingFailed(2, isPermanent: true, jitter: 1, now: start)
    #expect(!actions.contains(.refuse(2, .unreachable)))
    #expect(machine.returned(1, isReusable: true, now: at(1)) == [.lend(1, to: 2)])
  }

  @Test func namesAnUnreachableServerAtTheDeadline() {
    var machine = machine(tolerance: .seconds(60))
    _ = machine.request(1, deadline: at(1), now: start)
    _ = machine.openingFailed(1, isPermanent: false, jitter: 0, now: start)
    #expect(machine.timePassed(now: at(1)).contains(.refuse(1, .unreachable)))
  }

  @Test func drainingWaitsForConnectionsInUse() {
    var machine = machine()
    _ = machine.request(1, deadline: at(30), now: start)
    _ = machine.request(2, deadline: at(30), now: start)
    _ = machine.opened(1, lifetimeShare: 1, now: start)
    #expect(machine.drain() == [.refuse(2, .shuttingDown)])
    #expect(machine.request(3, deadline: at(30), now: start).0 == .refused(.shuttingDown))
    #expect(machine.opened(2, lifetimeShare: 1, now: start) == [.close(2)])
    #expect(machine.returned(1, isReusable: true, now: start) == [.close(1), .finish])
    #expect(machine.phase == .finished)
  }

  @Test func terminatingClosesConnectionsInUse() {
    var machine = machine()
    _ = machine.request(1, deadline: at(30), now: start)
    _ = machine.opened(1, lifetimeShare: 1, now: start)
    #expect(machine.terminate() == [.close(1)])
    #expect(machine.returned(1, isReusable: false, now: start) == [.close(1), .finish])
  }

  @Test func anUnusedPoolEndsAtOnce() {
    var machine = machine()
    #expect(machine.drain() == [.finish])
    #expect(machine.drain() == [])
  }

  /// Random events against a model that knows only who waits and which connection is whose.
  @Test(arguments: 0..<20 as Range<UInt64>) func everyCallerGetsOneAnswer(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var machine = machine(
      connections: Int.random(in: 1...4, using: &random), waiting: Int.random(in: 0...6, using: &random),
      tolerance: .seconds(1))
    var model = PoolModel()
    var now = start
    var nextWaiter: UInt64 = 1
    for _ in 0..<2000 {
      now += .milliseconds(Int.random(in: 0...400, using: &random))
      let actions: [Machine.Action]
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<40:
        let waiter = nextWaiter
        nextWaiter += 1
        let deadline = now + .milliseconds(Int.random(in: -10...3000, using: &random))
        let (answer, following) = machine.request(waiter, deadline: deadline, now: now)
        model.requested(waiter, answer)
        actions = following
      case 40..<48:
        actions = model.waiting.randomElement(using: &random).map { machine.cancel($0) } ?? []
      case 48..<65:
        guard let id = model.opening.randomElement(using: &random) else { continue }
        model.opening.remove(id)
        if Int.random(in: 0..<4, using: &random) > 0 {
          model.open.insert(id)
          actions = machine.opened(id, lifetimeShare: 1, now: now)
        } else {
          actions = machine.openingFailed(id, isPermanent: Bool.random(using: &random), jitter: 0.5, now: now)
        }
      case 65..<90:
        guard let id = model.lent.randomElement(using: &random) else { continue }
        model.lent.remove(id)
        actions = machine.returned(id, isReusable: Int.random(in: 0..<5, using: &random) > 0, now: now)
      default:
        actions = machine.timePassed(now: now)
      }
      model.apply(actions)
      #expect(model.violations.isEmpty, "seed \(seed): run this case alone to repeat it")
      #expect(machine.waitingCount == model.waiting.count)
      #expect(machine.connectionCount == model.opening.count + model.open.count)
    }
    model.apply(machine.drain())
    for id in model.opening { model.apply(machine.openingFailed(id, isPermanent: false, jitter: 0, now: now)) }
    while let id = model.lent.popFirst() { model.apply(machine.returned(id, isReusable: true, now: now)) }
    #expect(machine.phase == .finished)
    #expect(model.waiting.isEmpty && model.violations.isEmpty, "seed \(seed)")
  }
}

/// What must hold of a pool whatever happens: one answer per caller, one user per connection.
private struct PoolModel {
  var waiting: Set<UInt64> = []
  var opening: Set<UInt64> = []
  var open: Set<UInt64> = []
  var lent: Set<UInt64> = []
  var violations: [String] = []

  mutating func requested(_ waiter: UInt64, _ answer: PoolStateMachine.Request) {
    switch answer {
    case .lent(let id): lend(id)
    case .waiting: waiting.insert(waiter)
    case .refused: break
    }
  }

  mutating func apply(_ actions: [PoolStateMachine.Action]) {
    for action in actions {
      switch action {
      case .lend(let id, let waiter):
        if waiting.remove(waiter) == nil { violations.append("an answer for \(waiter), who does not wait") }
        lend(id)
      case .refuse(let waiter, _):
        if waiting.remove(waiter) == nil { violations.append("a refusal for \(waiter), who does not wait") }
      case .open(let id):
        if !opening.insert(id).inserted { violations.append("connection \(id) is opened twice") }
      case .close(let id):
        if open.remove(id) == nil { violations.append("connection \(id) is closed though not open") }
        if lent.contains(id) { violations.append("connection \(id) is closed under its user") }
      case .setAlarm, .finish: break
      }
    }
  }

  private mutating func lend(_ id: UInt64) {
    if !open.contains(id) { violations.append("connection \(id) is lent though not open") }
    if !lent.insert(id).inserted { violations.append("connection \(id) is lent twice") }
  }
}

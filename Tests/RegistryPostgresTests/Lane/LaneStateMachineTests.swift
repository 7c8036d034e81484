import Foundation
import TestRandom
import Testing

@testable import RegistryPostgres

@Suite struct LaneStateMachineTests {
  typealias Machine = NumberedLane

  private let start = LaneInstant.now

  private func machine(waiting: Int = 10, callers: Int = 4, connections: Int = 1) -> Machine {
    Machine(
      limits: .init(
        connections: connections, maximumWaiting: waiting, maximumWaitingBytes: 1000, batchCallers: callers,
        batchStatements: 8, batchBytes: 500, outageTolerance: .seconds(1)))
  }

  private func demand(
    bytes: Int = 10, statements: Int = 1, _ isolation: PostgresIsolation = .serverDefault,
    order: PostgresBatch.Order = .any, idempotent: Bool = false, until seconds: Double = 30
  ) -> LaneCaller.Demand {
    LaneCaller.Demand(
      statements: statements, bytes: bytes, isolation: isolation, order: order, isIdempotent: idempotent,
      deadline: start + .seconds(seconds))
  }

  private func running(_ machine: Machine) -> Machine {
    var machine = machine
    #expect(machine.start(now: start) == [.open(1)])
    #expect(machine.opened(1, now: start) == [])
    return machine
  }

  @Test func whatComesMeanwhileIsTheNextBatch() {
    var machine = running(machine())
    #expect(machine.submit(1, demand(), now: start).1.contains(.start(1, 1, [1])))
    for id in 2...6 { #expect(machine.submit(UInt64(id), demand(), now: start).0 == nil) }
    #expect(
      machine.ended(1, .committed, isReusable: true, jitter: 0, now: start)
        == [.deliver(1, position: 0), .start(1, 2, [2, 3, 4, 5])])
    #expect(machine.ended(2, .committed, isReusable: true, jitter: 0, now: start).last == .start(1, 3, [6]))
  }

  @Test func aFailedBatchIsRunCallerByCaller() {
    var machine = machine()
    for id in 1...2 { _ = machine.submit(UInt64(id), demand(), now: start) }
    _ = machine.start(now: start)
    #expect(machine.opened(1, now: start) == [.start(1, 1, [1, 2])])
    let failed = LaneStateMachine.Outcome.failed(mayHaveTakenEffect: false, isTransient: false)
    #expect(machine.ended(1, failed, isReusable: true, jitter: 0, now: start) == [.start(1, 2, [1])])
    #expect(
      machine.ended(2, failed, isReusable: true, jitter: 0, now: start)
        == [.fail(1, position: 0), .start(1, 3, [2])])
    #expect(machine.ended(3, .committed, isReusable: true, jitter: 0, now: start) == [.deliver(2, position: 0)])
  }

  @Test func isolationAndSizePartBatches() {
    var machine = machine()
    _ = machine.submit(1, demand(), now: start)
    _ = machine.submit(2, demand(.serializable), now: start)
    _ = machine.submit(3, demand(bytes: 400, .serializable), now: start)
    _ = machine.submit(4, demand(bytes: 400, .serializable), now: start)
    _ = machine.start(now: start)
    #expect(machine.opened(1, now: start) == [.start(1, 1, [1])])
    #expect(machine.ended(1, .committed, isReusable: true, jitter: 0, now: start).last == .start(1, 2, [2, 3]))
  }

  @Test func aCrowdOfReadsTravelsInBlocks() {
    var machine = Machine(
      limits: .init(
        connections: 1, maximumWaiting: 1000, maximumWaitingBytes: 1 << 20, batchCallers: 256, batchStatements: 1024,
        batchBytes: 1 << 20, outageTolerance: .seconds(1)))
    var demand = demand()
    demand.messageBytes = 90
    for id in 1...200 { _ = machine.submit(UInt64(id), demand, reads: true, now: start) }
    _ = machine.start(now: start)
    #expect(machine.opened(1, now: start) == [.start(1, 1, Array(1...89))])
    let next = machine.ended(1, .committed, isReusable: true, jitter: 0, now: start).last
    #expect(next == .start(1, 2, Array(90...178)))
    let last = machine.ended(2, .committed, isReusable: true, jitter: 0, now: start).last
    #expect(last == .start(1, 3, Array(179...200)))
  }

  @Test func callersOfABatchStandInTheOrderOfTheirKeys() {
    var machine = machine(callers: 8)
    let orders: [PostgresBatch.Order] = [
      .by([2, 0]), .by([2]), .any, .by([1, 9]), .by([2, 0]), .any, .by([1, 255]),
    ]
    for (index, order) in orders.enumerated() {
      _ = machine.submit(UInt64(index + 1), demand(order: order), now: start)
    }
    _ = machine.start(now: start)
    #expect(machine.opened(1, now: start) == [.start(1, 1, [3, 6, 4, 7, 2, 1, 5])])
    let answers = machine.ended(1, .committed, isReusable: true, jitter: 0, now: start)
    #expect(answers == [3, 6, 4, 7, 2, 1, 5].enumerated().map { .deliver($1, position: $0) })
  }

  @Test func whoLocksSeveralRowsTravelsAlone() {
    var machine = machine()
    for (id, order) in [(1, PostgresBatch.Order.any), (2, .alone), (3, .by([1])), (4, .by([0])), (5, .alone)] {
      _ = machine.submit(UInt64(id), demand(order: order), now: start)
    }
    _ = machine.start(now: start)
    #expect(machine.opened(1, now: start) == [.start(1, 1, [1])])
    #expect(machine.ended(1, .committed, isReusable: true, jitter: 0, now: start).last == .start(1, 2, [2]))
    #expect(machine.ended(2, .committed, isReusable: true, jitter: 0, now: start).last == .start(1, 3, [4, 3]))
    #expect(machine.ended(3, .committed, isReusable: true, jitter: 0, now: start).last == .start(1, 4, [5]))
  }

  @Test func aFullQueueRefuses() {
    var machine = machine(waiting: 2)
    #expect(machine.submit(1, demand(bytes: 5000), now: start).0 == nil)
    #expect(machine.submit(2, demand(), now: start).0 == .queueFull)
    #expect(machine.cancel(1) == [.refuse(1, .cancelled)])
    #expect(machine.submit(3, demand(), now: start).0 == nil)
    #expect(machine.submit(4, demand(), now: start).0 == nil)
    #expect(machine.submit(5, demand(), now: start).0 == .queueFull)
  }

  @Test func aBatchIsAbandonedOnlyWhenAllHaveLeft() {
    var machine = machine()
    _ = machine.submit(1, demand(until: 5), now: start)
    _ = machine.submit(2, demand(), now: start)
    _ = machine.start(now: start)
    _ = machine.opened(1, now: start)
    #expect(machine.cancel(2) == [.refuse(2, .cancelledUnderWay)])
    #expect(
      machine.timePassed(now: start + .seconds(5)) == [.refuse(1, .timedOutUnderWay), .abandon(1, 1)])
    #expect(machine.ended(1, .committed, isReusable: true, jitter: 0, now: start) == [])
  }

  @Test func aLostBatchIsRepeatedOnlyForTheIdempotent() {
    var machine = machine()
    _ = machine.submit(1, demand(idempotent: true), now: start)
    _ = machine.submit(2, demand(), now: start)
    _ = machine.start(now: start)
    _ = machine.opened(1, now: start)
    let lost = LaneStateMachine.Outcome.failed(mayHaveTakenEffect: true, isTransient: true)
    let actions = machine.ended(1, lost, isReusable: false, jitter: 0, now: start)
    #expect(actions == [.fail(2, position: 1), .close(1), .open(2)])
    #expect(machine.opened(2, now: start) == [.start(2, 2, [1])])
  }

  @Test func whatWasNotSentKeepsItsPlace() {
    var machine = machine()
    _ = machine.submit(1, demand(), now: start)
    _ = machine.start(now: start)
    _ = machine.opened(1, now: start)
    _ = machine.submit(2, demand(), now: start)
    _ = machine.ended(1, .notSent, isReusable: false, jitter: 0, now: start)
    #expect(machine.opened(2, now: start) == [.start(2, 2, [1, 2])])
  }

  @Test func theOneAtFaultRunsAloneAndTheOthersTogether() {
    var machine = machine()
    for id in 1...4 { _ = machine.submit(UInt64(id), demand(), now: start) }
    _ = machine.start(now: start)
    #expect(machine.opened(1, now: start) == [.start(1, 1, [1, 2, 3, 4])])
    let failed = LaneStateMachine.Outcome.failed(mayHaveTakenEffect: false, isTransient: false, culprit: 2)
    #expect(machine.ended(1, failed, isReusable: true, jitter: 0, now: start) == [.start(1, 2, [3])])
    #expect(
      machine.ended(2, failed, isReusable: true, jitter: 0, now: start)
        == [.fail(3, position: 0), .start(1, 3, [1, 2, 4])])
  }

  @Test func connectionsShareACrowdEvenly() {
    var machine = machine(callers: 8, connections: 2)
    for id in 1...7 { _ = machine.submit(UInt64(id), demand(), now: start) }
    #expect(machine.start(now: start) == [.open(1), .open(2)])
    #expect(machine.opened(1, now: start) == [.start(1, 1, [1, 2, 3, 4, 5, 6, 7])])
    _ = machine.submit(8, demand(), now: start)
    _ = machine.submit(9, demand(), now: start)
    #expect(machine.opened(2, now: start) == [.start(2, 2, [8, 9])])
    for id in 10...16 { _ = machine.submit(UInt64(id), demand(), now: start) }
    #expect(
      machine.ended(2, .committed, isReusable: true, jitter: 0, now: start).last
        == .start(2, 3, [10, 11, 12, 13, 14, 15, 16]))
    for id in 17...20 { _ = machine.submit(UInt64(id), demand(), now: start) }
    let next = machine.ended(1, .committed, isReusable: true, jitter: 0, now: start).last
    #expect(next == .start(1, 4, [17, 18, 19, 20]))
  }

  @Test func aHeldConnectionWaitsForThoseWhoComeAgain() {
    var machine = running(machine())
    _ = machine.submit(1, demand(), now: start)
    _ = machine.submit(2, demand(), now: start)
    #expect(
      machine.ended(1, .committed, isReusable: true, holds: true, jitter: 0, now: start) == [.deliver(1, position: 0)])
    #expect(machine.submit(3, demand(), now: start).1 == [])
    #expect(machine.released(1) == [.start(1, 2, [2, 3])])
    #expect(machine.released(1) == [])
    #expect(machine.drain(now: start) == [])
    #expect(
      machine.ended(2, .committed, isReusable: true, holds: true, jitter: 0, now: start)
        == [.deliver(2, position: 0), .deliver(3, position: 1)])
    #expect(machine.released(1) == [.close(1), .finish])
  }

  @Test func aConnectionPastItsLifetimeIsReplaced() {
    var machine = running(machine())
    _ = machine.submit(1, demand(until: 8000), now: start)
    #expect(
      machine.ended(1, .committed, isReusable: true, jitter: 0, now: start + .seconds(3601))
        == [.deliver(1, position: 0), .close(1), .open(2)])
  }

  @Test func whatIsNeverSentIsNotRepeatedForEver() {
    var machine = running(machine())
    _ = machine.submit(1, demand(), now: start)
    var actions: [Machine.Action] = []
    var connection: UInt64 = 1
    while !actions.contains(.refuse(1, .unreachable)), connection < 10 {
      actions = machine.ended(connection, .notSent, isReusable: false, jitter: 0, now: start)
      connection += 1
      _ = machine.opened(connection, now: start)
    }
    #expect(connection == 6)
  }

  /// After four batches of one caller each, with nobody else about.
  private func lonely(connections: Int = 1) -> Machine {
    var machine = running(machine(connections: connections))
    for id in 1...4 {
      let early = machine.takeAlone(UInt64(id), demand(), on: 1, now: start)
      #expect(early == nil, "nobody knows yet that it is alone")
      _ = machine.submit(UInt64(id), demand(), now: start)
      _ = machine.ended(UInt64(id), .committed, isReusable: true, jitter: 0, now: start)
    }
    return machine
  }

  @Test func aLoneCallerTakesItsBatchInHand() {
    var machine = lonely()
    let taken = machine.takeAlone(5, demand(), now: start)
    #expect(taken?.connection == 1 && taken?.batch == 5)
    let isOver = machine.endedAlone(5, now: start)
    #expect(isOver)
    let next = machine.takeAlone(6, demand(), now: start)
    #expect(next?.batch == 6)
    // Who comes meanwhile waits, and then the end has to be told in full.
    #expect(machine.submit(7, demand(), now: start).1 == [])
    let second = machine.takeAlone(8, demand(), now: start)
    #expect(second == nil)
    let isOverToo = machine.endedAlone(6, now: start)
    #expect(!isOverToo)
    #expect(
      machine.ended(6, .committed, isReusable: true, jitter: 0, now: start)
        == [.deliver(6, position: 0), .start(1, 7, [7])])
    let third = machine.takeAlone(9, demand(), now: start)
    #expect(third == nil, "7 keeps it company")
  }

  @Test func aLoneCallerThatMustBeLookedAfterIsSubmitted() {
    var machine = lonely()
    let late = machine.takeAlone(5, demand(until: 35), now: start + .seconds(40))
    #expect(late == nil, "its time is over, though the alarm has not rung yet")
    let elsewhere = machine.takeAlone(5, demand(), on: 2, now: start)
    #expect(elsewhere == nil, "there is no such connection")
    let hasty = machine.takeAlone(5, demand(until: 29), now: start)
    #expect(hasty == nil, "the alarm rings too late for it")
    let taken = machine.takeAlone(5, demand(), now: start)
    #expect(taken != nil)
    #expect(machine.cancel(5) == [.refuse(5, .cancelledUnderWay), .abandon(1, 5)])
    let isOver = machine.endedAlone(5, now: start)
    #expect(!isOver, "it has gone")
    #expect(machine.ended(5, .committed, isReusable: true, jitter: 0, now: start) == [])
    #expect(machine.drain(now: start) == [.close(1), .finish])
    let last = machine.takeAlone(6, demand(), now: start)
    #expect(last == nil)
  }

  @Test func aLoneCallerIsTheLastOfALaneThatDrains() {
    var machine = lonely()
    let taken = machine.takeAlone(5, demand(), now: start)
    #expect(taken != nil)
    #expect(machine.drain(now: start) == [])
    let isOver = machine.endedAlone(5, now: start)
    #expect(!isOver, "the connection is to be closed")
    #expect(
      machine.ended(5, .committed, isReusable: true, jitter: 0, now: start)
        == [.deliver(5, position: 0), .close(1), .finish])
  }

  @Test func whereAConnectionIsMissingALoneCallerSeesToIt() {
    var machine = machine(connections: 2)
    _ = machine.start(now: start)
    _ = machine.opened(1, now: start)
    _ = machine.openingFailed(2, isPermanent: false, jitter: 0, now: start)
    for id in 1...4 {
      _ = machine.submit(UInt64(id), demand(), now: start)
      _ = machine.ended(UInt64(id), .committed, isReusable: true, jitter: 0, now: start)
    }
    let taken = machine.takeAlone(5, demand(), now: start)
    #expect(taken != nil)
    let isOver = machine.endedAlone(5, now: start + .seconds(1))
    #expect(!isOver)
    #expect(
      machine.ended(5, .committed, isReusable: true, jitter: 0, now: start + .seconds(1))
        == [.deliver(5, position: 0), .open(3)])
  }

  @Test func aLoneCallersConnectionIsReplacedPastItsLifetime() {
    var machine = lonely()
    let taken = machine.takeAlone(5, demand(until: 8000), now: start)
    #expect(taken != nil)
    let isOver = machine.endedAlone(5, now: start + .seconds(3601))
    #expect(!isOver)
    #expect(
      machine.ended(5, .committed, isReusable: true, jitter: 0, now: start + .seconds(3601))
        == [.deliver(5, position: 0), .close(1), .open(2)])
  }

  /// Random events against a model that knows only who waits for an answer and what runs where.
  @Test func everyCallerGetsOneAnswer() {
    let seed = TestSeed.take()
    var loneCount = 0
    for schedule in 0..<UInt64(200) {
      let violations = run(seed: seed &+ schedule, &loneCount)
      #expect(violations.isEmpty, "REGISTRY_TEST_SEED=\(seed), schedule \(schedule): \(violations)")
    }
    #expect(loneCount > 100, "REGISTRY_TEST_SEED=\(seed): only \(loneCount) callers took their batches in hand")
  }

  private func run(seed: UInt64, _ loneCount: inout Int) -> [String] {
    var random = SeededGenerator(seed: seed)
    var machine = machine(
      waiting: Int.random(in: 1...12, using: &random), callers: Int.random(in: 1...6, using: &random),
      connections: Int.random(in: 1...3, using: &random))
    var model = LaneModel()
    // Where little goes wrong and callers mostly come one by one, they take their batches in hand.
    model.isCalm = Bool.random(using: &random)
    var now = start
    var next: UInt64 = 1
    if Bool.random(using: &random) { model.apply(machine.start(now: now)) }
    for _ in 0..<400 {
      now = now + .milliseconds(Int.random(in: 0...100, using: &random))
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<45:
        let demand = LaneCaller.Demand(
          statements: Int.random(in: 0...5, using: &random), bytes: Int.random(in: 0...600, using: &random),
          isolation: Int.random(in: 0..<4, using: &random) == 0 ? .serializable : .serverDefault,
          order: [.any, .alone, .by([UInt8.random(in: 0...3, using: &random)])][Int.random(in: 0..<3, using: &random)],
          isIdempotent: Bool.random(using: &random),
          deadline: now + .milliseconds(Int.random(in: 0...3000, using: &random)))
        if model.isCalm, !model.unanswered.isEmpty, Int.random(in: 0..<8, using: &random) > 0 { continue }
        if let taken = machine.takeAlone(next, demand, now: now) {
          loneCount += 1
          model.takeAlone(next, taken.connection, taken.batch)
          next += 1
          continue
        }
        let (refusal, actions) = machine.submit(next, demand, now: now)
        if refusal == nil { model.unanswered.insert(next) }
        model.apply(actions)
        next += 1
      case 45..<52:
        if let id = model.unanswered.sorted().randomElement(using: &random) { model.apply(machine.cancel(id)) }
      case 52..<55: model.apply(machine.start(now: now))
      case 55..<58:
        if let id = model.held.sorted().randomElement(using: &random) { model.release(id, &machine) }
      case 58..<68:
        guard let id = model.opening.sorted().randomElement(using: &random) else { continue }
        model.opening.remove(id)
        if Bool.random(using: &random) {
          model.open.insert(id)
          model.apply(machine.opened(id, now: now))
        } else {
          let isPermanent = Int.random(in: 0..<5, using: &random) == 0
          model.apply(machine.openingFailed(id, isPermanent: isPermanent, jitter: 0.5, now: now))
        }
      case 68..<92:
        guard let id = model.running.keys.sorted().randomElement(using: &random) else { continue }
        model.end(id, &machine, &random, now)
      default: model.apply(machine.timePassed(now: now))
      }
      if machine.waitingCount != model.waitingCount { model.violations.append("the count of waiting callers is off") }
    }
    model.apply(Bool.random(using: &random) ? machine.drain(now: now) : machine.terminate())
    for _ in 0..<1000 where machine.phase != .finished {
      now = now + .milliseconds(50)
      for id in model.running.keys.sorted() { model.end(id, &machine, &random, now) }
      for id in model.held.sorted() { model.release(id, &machine) }
      for id in model.opening.sorted() {
        model.opening.remove(id)
        model.open.insert(id)
        model.apply(machine.opened(id, now: now))
      }
      model.apply(machine.timePassed(now: now))
    }
    if machine.phase != .finished { model.violations.append("the lane does not end") }
    if !model.unanswered.isEmpty { model.violations.append("\(model.unanswered) were never answered") }
    if !model.open.isEmpty { model.violations.append("\(model.open) were never closed") }
    return model.violations
  }
}

/// What must hold of a lane whatever happens.
private struct LaneModel {
  var unanswered: Set<UInt64> = []
  var opening: Set<UInt64> = []
  var open: Set<UInt64> = []
  var held: Set<UInt64> = []
  var running: [UInt64: (connection: UInt64, callers: [UInt64])] = [:]
  private var ending: [UInt64] = []
  private var outcome: LaneStateMachine.Outcome?
  var violations: [String] = []
  var isCalm = false

  mutating func takeAlone(_ id: UInt64, _ connection: UInt64, _ batch: UInt64) {
    if !unanswered.isEmpty { violations.append("\(id) is not alone") }
    unanswered.insert(id)
    apply([.start(connection, batch, [id])])
  }

  var waitingCount: Int {
    let travelling = Set(running.values.flatMap(\.callers))
    return unanswered.subtracting(travelling).count
  }

  mutating func end(
    _ id: UInt64, _ machine: inout NumberedLane, _ random: inout SeededGenerator, _ now: LaneInstant
  ) {
    guard let batch = running.removeValue(forKey: id) else { return }
    if isCalm, Bool.random(using: &random), machine.endedAlone(id, now: now) {
      if batch.callers.count != 1 || unanswered != Set(batch.callers) { violations.append("batch \(id) had company") }
      batch.callers.forEach { answer($0) }
      return
    }
    let outcomes: [LaneStateMachine.Outcome] = [
      .committed, .committed, .notSent, .failed(mayHaveTakenEffect: false, isTransient: false),
      .failed(
        mayHaveTakenEffect: false, isTransient: false, culprit: Int.random(in: 0..<batch.callers.count, using: &random)),
      .failed(mayHaveTakenEffect: false, isTransient: true), .failed(mayHaveTakenEffect: true, isTransient: true),
    ]
    let isSmooth = isCalm && Int.random(in: 0..<16, using: &random) > 0
    let outcome = isSmooth ? .committed : outcomes[Int.random(in: 0..<outcomes.count, using: &random)]
    ending = batch.callers
    self.outcome = outcome
    let isReusable = outcome == .notSent ? false : isSmooth || Bool.random(using: &random)
    let holds = isReusable && !isSmooth && Bool.random(using: &random)
    if holds { held.insert(batch.connection) }
    apply(machine.ended(id, outcome, isReusable: isReusable, holds: holds, jitter: 0.5, now: now))
    ending = []
    self.outcome = nil
  }

  mutating func release(_ id: UInt64, _ machine: inout NumberedLane) {
    held.remove(id)
    apply(machine.released(id))
  }

  mutating func apply(_ actions: [NumberedLane.Action]) {
    for action in actions {
      switch action {
      case .start(let connection, let batch, let callers):
        if !open.contains(connection) { violations.append("batch \(batch) starts on a closed connection") }
        if held.contains(connection) || running.values.contains(where: { $0.connection == connection }) {
          violations.append("connection \(connection) runs two batches")
        }
        if callers.isEmpty || Set(callers).count != callers.count { violations.append("batch \(batch) is malformed") }
        for caller in callers where !unanswered.contains(caller) { violations.append("\(caller) is run though gone") }
        for other in running.values where !Set(other.callers).isDisjoint(with: Set(callers).intersection(unanswered)) {
          violations.append("a caller of batch \(batch) is run twice at once")
        }
        running[batch] = (connection, callers)
      case .deliver(let id, let position):
        answer(id)
        if outcome != .committed { violations.append("\(id) gets results of a batch that did not commit") }
        if !ending.indices.contains(position) || ending[position] != id { violations.append("\(id) gets another's") }
      case .fail(let id, let position):
        answer(id)
        if outcome == .committed { violations.append("\(id) fails without a failure") }
        if !ending.indices.contains(position) || ending[position] != id { violations.append("\(id) gets another's") }
      case .refuse(let id, let refusal):
        let isUnderWay = running.values.contains { $0.callers.contains(id) }
        let saysSo = [.timedOutUnderWay, .cancelledUnderWay, .closedUnderWay].contains(refusal)
        if isUnderWay != saysSo { violations.append("\(id) is told \(refusal) though under way: \(isUnderWay)") }
        answer(id)
      case .abandon(_, let batch):
        if running[batch]?.callers.contains(where: unanswered.contains) != false {
          violations.append("batch \(batch) is abandoned though somebody waits")
        }
      case .open(let id): opening.insert(id)
      case .close(let id):
        if open.remove(id) == nil { violations.append("\(id) is closed though not open") }
      case .finish: opening.removeAll()
      case .setAlarm: break
      }
    }
  }

  private mutating func answer(_ id: UInt64) {
    if unanswered.remove(id) == nil { violations.append("\(id) is answered twice") }
  }
}

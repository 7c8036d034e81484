@testable import RegistryPostgres

/// A lane's state machine for tests: callers are known by numbers, and actions can be compared.
struct NumberedLane {
  typealias Caller = UInt64

  enum Action: Equatable {
    case start(UInt64, UInt64, [Caller])
    case deliver(Caller, position: Int)
    case fail(Caller, position: Int)
    case refuse(Caller, LaneStateMachine.Refusal)
    case abandon(UInt64, UInt64)
    case open(UInt64)
    case close(UInt64)
    case setAlarm(LaneInstant)
    case finish
  }

  private var machine: LaneStateMachine
  private var callers: [Caller: LaneCaller] = [:]

  init(limits: LaneStateMachine.Limits) {
    machine = LaneStateMachine(limits: limits)
  }

  var phase: LaneStateMachine.Phase { machine.phase }
  var waitingCount: Int { machine.waitingCount }

  mutating func start(now: LaneInstant) -> [Action] { machine.start(now: now).flatMap(Self.numbered) }

  mutating func submit(
    _ id: Caller, _ demand: LaneCaller.Demand, reads: Bool = false, now: LaneInstant
  ) -> (LaneStateMachine.Refusal?, [Action]) {
    let caller = LaneCaller(id: id, demand, .batch(PostgresBatch(statements: [])))
    caller.onlyReads = reads
    callers[id] = caller
    let (refusal, actions) = machine.submit(caller, now: now)
    return (refusal, actions.flatMap(Self.numbered))
  }

  /// The connection and the batch; the connection is the one that the machine names, unless another is asked for.
  mutating func takeAlone(
    _ id: Caller, _ demand: LaneCaller.Demand, on other: UInt64? = nil, now: LaneInstant
  ) -> (connection: UInt64, batch: UInt64)? {
    let caller = LaneCaller(id: id, demand, .batch(PostgresBatch(statements: [])))
    guard let connection = other ?? machine.loneConnection,
      let batch = machine.take(connection, alone: caller, now: now)
    else { return nil }
    callers[id] = caller
    return (connection, batch)
  }

  mutating func endedAlone(_ id: UInt64, now: LaneInstant) -> Bool {
    machine.endedAlone(id, now: now)
  }

  mutating func cancel(_ id: Caller) -> [Action] {
    callers[id].map { machine.cancel($0).flatMap(Self.numbered) } ?? []
  }

  mutating func opened(_ id: UInt64, now: LaneInstant) -> [Action] {
    machine.opened(id, now: now).flatMap(Self.numbered)
  }

  mutating func openingFailed(
    _ id: UInt64, isPermanent: Bool, jitter: Double, now: LaneInstant
  ) -> [Action] {
    machine.openingFailed(id, isPermanent: isPermanent, jitter: jitter, now: now).flatMap(Self.numbered)
  }

  mutating func ended(
    _ id: UInt64, _ outcome: LaneStateMachine.Outcome, isReusable: Bool, holds: Bool = false, jitter: Double,
    now: LaneInstant
  ) -> [Action] {
    machine.ended(id, outcome, isReusable: isReusable, holds: holds, jitter: { jitter }, now: now).flatMap(
      Self.numbered)
  }

  mutating func released(_ id: UInt64) -> [Action] { machine.released(id).flatMap(Self.numbered) }

  mutating func timePassed(now: LaneInstant) -> [Action] {
    machine.timePassed(now: now).flatMap(Self.numbered)
  }

  mutating func drain(now: LaneInstant) -> [Action] { machine.drain(now: now).flatMap(Self.numbered) }

  mutating func terminate() -> [Action] { machine.terminate().flatMap(Self.numbered) }

  private static func numbered(_ action: LaneStateMachine.Action) -> [Action] {
    switch action {
    case .start(let connection, let batch, let callers): [.start(connection, batch, callers.map(\.id))]
    case .deliver(let callers): callers.map { .deliver($0.id, position: $0.position) }
    case .fail(let caller): [.fail(caller.id, position: caller.position)]
    case .refuse(let caller, let refusal): [.refuse(caller.id, refusal)]
    case .abandon(let connection, let batch): [.abandon(connection, batch)]
    case .open(let id): [.open(id)]
    case .close(let id): [.close(id)]
    case .setAlarm(let instant): [.setAlarm(instant)]
    case .finish: [.finish]
    }
  }
}

/// One caller of a lane: what it brings and where it stands.
///
/// What changes belongs to the lane's lock: the state machine and the shell touch it under that lock only, hence
/// `@unchecked Sendable`.
final class LaneCaller: @unchecked Sendable {
  /// What the state machine knows of the work.
  struct Demand: Sendable {
    var statements: Int
    /// What it holds in memory: texts and parameters.
    var bytes: Int
    /// What its statements take on their way to the server; a named one counts as prepared where the lane prepares.
    var messageBytes = 0
    /// As for ``messageBytes``, its settings.
    var settingBytes = 0
    /// Only callers of one isolation share a transaction.
    var isolation: PostgresIsolation
    var order = PostgresBatch.Order.any
    var isIdempotent: Bool
    var deadline: LaneInstant
  }

  enum Stage: Sendable, Equatable {
    /// Not yet with the lane.
    case new
    case waiting
    case underWay(LaneStateMachine.BatchID)
    /// It has its answer.
    case answered
  }

  /// In the order of coming.
  let id: UInt64
  let demand: Demand
  /// The work itself, of which the state machine knows nothing.
  let request: LaneRequest
  /// Whether its statements say that they read and do nothing else, or their transaction does.
  var onlyReads = false
  var stage = Stage.new
  /// Where it stands in the batch that it travels in.
  var position = 0
  var attempts = 0
  /// Whether a batch that it travelled in was lost with its outcome open: whatever it is told later, its work may stand.
  var mayHaveTakenEffect = false
  var continuation: UnsafeContinuation<PostgresLane.Answer, Never>?
  /// Its answer, while it does not wait for it.
  var answer: PostgresLane.Answer?

  init(id: UInt64, _ demand: consuming Demand, _ request: consuming LaneRequest) {
    self.id = id
    self.demand = demand
    self.request = request
  }
}

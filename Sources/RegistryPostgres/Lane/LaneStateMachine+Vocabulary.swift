extension LaneStateMachine {
  /// The lane's limits.
  struct Limits: Sendable {
    var connections: Int
    var maximumWaiting: Int
    var maximumWaitingBytes: Int
    var batchCallers: Int
    var batchStatements: Int
    var batchBytes: Int
    /// How often a caller is run by itself, or sent in vain, before it gets the error of the last time.
    var maximumAttempts = 3
    /// How long callers wait out a server that cannot be reached.
    var outageTolerance: Duration
    /// Past this age a connection is replaced once its batch is over.
    var maximumLifetime: Duration = .seconds(3600)
    /// Between attempts to connect after a failure: from `first`, doubling, to `last`.
    var backoff: (first: Duration, last: Duration) = (.milliseconds(50), .seconds(2))
  }

  /// Why a caller gets no answer from the server.
  enum Refusal: Sendable, Equatable {
    case queueFull, timedOut, cancelled, closed
    /// The work has been sent and goes on.
    case timedOutUnderWay, cancelledUnderWay, closedUnderWay
    /// No connection can be made; the shell knows the last error.
    case unreachable
  }

  /// How a batch ended.
  enum Outcome: Sendable, Equatable {
    case committed
    /// The connection was found dead before anything was written.
    case notSent
    /// - Parameters:
    ///   - mayHaveTakenEffect: whether the COMMIT may stand.
    ///   - isTransient: whether the same work may succeed when it is run again.
    ///   - culprit: the position of the caller whose statement the server refused, where one was.
    case failed(mayHaveTakenEffect: Bool, isTransient: Bool, culprit: Int? = nil)
  }

  /// What the shell has to do.
  enum Action: Sendable {
    case start(ConnectionID, BatchID, [Caller])
    /// Each of these gets its share of the batch's results.
    case deliver([Caller])
    /// This one gets the batch's error.
    case fail(Caller)
    case refuse(Caller, Refusal)
    /// Nobody waits for this batch any more.
    case abandon(ConnectionID, BatchID)
    case open(ConnectionID)
    case close(ConnectionID)
    /// Call `timePassed` at this instant, in place of the instant asked for before.
    case setAlarm(Instant)
    case finish
  }

  enum Phase: Sendable, Equatable {
    /// `run()` has not been called: callers wait.
    case starting
    case running, draining, finished
  }
}

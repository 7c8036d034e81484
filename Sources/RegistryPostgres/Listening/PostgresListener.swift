public import Logging
import NIOConcurrencyHelpers
public import ServiceLifecycle

/// Hears NOTIFY on a connection of its own and wakes whoever subscribes.
///
/// A notification is a hint, not a message: it is lost while the connection is. So after each reconnect the listener
/// listens again and tells all subscribers ``PostgresNotifications/Element/resumed``; whoever then looks at the tables
/// has lost time, and nothing else.
///
/// Creating a listener does no I/O. ``run()`` must run for as long as it is used; the connection is opened for the first
/// subscriber and kept until the listener shuts down.
///
/// ```swift
/// for await _ in try listener.notifications(on: "work", atLeastEvery: .seconds(30)) {
///   try await doAllTheWorkThereIs()
/// }
/// ```
public final class PostgresListener: Service, ConnectionKeeper {
  typealias Element = PostgresNotifications.Element

  struct State {
    var machine: ListenerStateMachine
    var waiters: [ListenerStateMachine.SubscriptionID: CheckedContinuation<Element?, Never>] = [:]
    var session: Session?
    var opening: Task<Void, Never>?
    /// The wait for notifications under way.
    var waiting: Task<Result<[PostgresNotification], PostgresError>, Never>?
    var failure: PostgresError?
    var alarm: Alarm?
    var hasRun = false
  }

  /// The configuration the listener was made with.
  public let configuration: Configuration
  let logger: Logger
  let state: NIOLockedValueBox<State>
  /// Connections to open.
  let commands: AsyncStream<ListenerStateMachine.ConnectionID>
  let commandInput: AsyncStream<ListenerStateMachine.ConnectionID>.Continuation

  /// Makes a listener; nothing is opened or checked before ``run()``.
  /// - Parameters:
  ///   - configuration: where to connect and the limits.
  ///   - logger: receives connections opened and lost and the server's notices, at debug.
  public init(configuration: Configuration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    state = NIOLockedValueBox(
      State(
        machine: ListenerStateMachine(
          limits: .init(
            maximumBuffered: max(1, configuration.maximumBuffered), probeInterval: configuration.probeInterval))))
    (commands, commandInput) = AsyncStream.makeStream(of: ListenerStateMachine.ConnectionID.self)
  }

  deinit {
    state.withLockedValue { $0.alarm }?.close()
  }

  /// Runs a listener for the length of a closure.
  /// - Parameters:
  ///   - configuration: where to connect and the limits.
  ///   - logger: as for ``init(configuration:logger:)``.
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: the work. The listener is of no use after it.
  /// - Returns: what the body returned.
  /// - Throws: what the body threw; ``PostgresError`` of code `invalidConfiguration`.
  @discardableResult
  public static func withListener<Value>(
    _ configuration: Configuration, logger: Logger, isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresListener) async throws -> sending Value
  ) async throws -> sending Value {
    _ = try configuration.validated()
    return try await PostgresListener(configuration: configuration, logger: logger).kept(isolation: isolation, body)
  }

  /// What comes on a channel. Nothing is subscribed before the sequence is iterated over.
  /// - Parameters:
  ///   - channel: the channel's name, 1 to 63 bytes without NUL, spelt as in `pg_notify`; `NOTIFY Work` without quotes
  ///     means `work`.
  ///   - interval: how long a subscriber waits before it is told ``PostgresNotifications/Element/elapsed``, so that it
  ///     looks from time to time whatever becomes of the server; `nil` (the default) waits for ever.
  /// - Returns: a sequence that any number of tasks may iterate over, each for itself.
  /// - Throws: ``PostgresError`` of code `invalidParameter` for a name that cannot be one, or an interval that is not
  ///   longer than zero.
  public func notifications(
    on channel: String, atLeastEvery interval: Duration? = nil
  ) throws -> PostgresNotifications {
    guard (1...63).contains(channel.utf8.count), !channel.utf8.contains(0) else {
      throw PostgresError(
        .invalidParameter,
        "a channel's name has 1 to 63 bytes and no NUL character; this one has \(channel.utf8.count) bytes: "
          + "choose another")
    }
    guard interval.map({ $0 > .zero }) ?? true else {
      throw PostgresError(.invalidParameter, "the interval must be longer than zero; leave it out to wait for ever")
    }
    return PostgresNotifications(listener: self, channel: channel, interval: interval)
  }

  /// Whether the server has confirmed every channel that somebody subscribes to.
  public var isListening: Bool { state.withLockedValue { $0.machine.isListening } }

  /// What keeps the listener from listening, or made it lose its connection; `nil` once it listens again.
  public var failure: PostgresError? { state.withLockedValue { $0.failure } }

  /// Ends all sequences and closes the connection; ``run()`` then returns. What waits for a subscriber is still handed
  /// out.
  public func shutDown() {
    perform { $0.drain() }
  }

  /// Nobody is served who could wait for the end.
  func terminate() {
    shutDown()
  }

  func takeAlarm() -> Alarm? {
    state.withLockedValue { state in
      defer { state.alarm = nil }
      return state.alarm
    }
  }
}

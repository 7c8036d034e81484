/// Why a private cluster could not be started, used or stopped.
///
/// `message` is written for the person at the terminal: what was wrong, where, and what to do.
/// It holds paths and account names, never anything secret.
///
/// The code can be matched in a `catch`:
///
/// ```swift
/// do {
///   cluster = try await EmbeddedPostgres.start()
/// } catch EmbeddedPostgresError.Code.serverNotInstalled {
///   …
/// }
/// ```
public struct EmbeddedPostgresError: Error, Sendable, CustomStringConvertible {
  /// What kind of obstacle it was.
  ///
  /// More codes may come; a `switch` needs a `default`.
  public struct Code: Error, Sendable, Hashable, CustomStringConvertible {
    private enum Value: String {
      case serverNotInstalled, serverTooOld, serverVersionMismatch
      case stateDirectoryUnusable, directoryNotReachable, wrongOwner, socketPathTooLong, invalidConfiguration
      case busy, initializationFailed, startFailed, stopFailed, toolFailed
    }

    private let value: Value

    private init(_ value: Value) { self.value = value }

    /// No PostgreSQL server binaries were found.
    public static let serverNotInstalled = Code(.serverNotInstalled)
    /// Only servers older than version 14 were found.
    public static let serverTooOld = Code(.serverTooOld)
    /// The cluster was made by a major version that is not installed.
    public static let serverVersionMismatch = Code(.serverVersionMismatch)
    /// The state directory cannot be made, entered or written.
    public static let stateDirectoryUnusable = Code(.stateDirectoryUnusable)
    /// The account that the server runs as cannot reach a directory it needs.
    public static let directoryNotReachable = Code(.directoryNotReachable)
    /// A directory belongs to another account than the one that must use it.
    public static let wrongOwner = Code(.wrongOwner)
    /// The socket's path is longer than a unix socket address takes.
    public static let socketPathTooLong = Code(.socketPathTooLong)
    /// A configured value cannot be used.
    public static let invalidConfiguration = Code(.invalidConfiguration)
    /// Another process held the cluster's lock for longer than the start timeout.
    public static let busy = Code(.busy)
    /// `initdb` failed.
    public static let initializationFailed = Code(.initializationFailed)
    /// The server did not come up.
    public static let startFailed = Code(.startFailed)
    /// The server did not shut down.
    public static let stopFailed = Code(.stopFailed)
    /// A tool of PostgreSQL's could not be run, or failed.
    public static let toolFailed = Code(.toolFailed)

    /// The code's name, for logs and metrics.
    public var description: String { value.rawValue }

    /// Lets a code stand as a pattern in `catch`.
    ///
    /// - Parameters:
    ///   - code: The code to look for.
    ///   - error: The error that was caught.
    /// - Returns: Whether `error` is an ``EmbeddedPostgresError`` with this code.
    public static func ~= (code: Code, error: any Error) -> Bool {
      (error as? EmbeddedPostgresError)?.code == code
    }
  }

  /// What kind of obstacle it was.
  public let code: Code

  /// What was wrong, where, and what to do about it.
  public let message: String

  /// Makes an error.
  ///
  /// - Parameters:
  ///   - code: What kind of obstacle it was.
  ///   - message: What was wrong, where, and what to do about it.
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  public var description: String { message }
}

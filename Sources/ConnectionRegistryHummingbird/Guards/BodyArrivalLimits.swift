/// How slowly the body of a request may arrive, and an answer go out.
public struct BodyArrivalLimits: Sendable, Hashable {
  /// How long the server waits for a body altogether, beside what ``bytesPerSecond`` allows for the bytes that came.
  public var grace: Duration = .seconds(15)
  /// How many bytes a second are quick enough to be waited for; above zero. A webhook of 32 MiB may take 512 s.
  public var bytesPerSecond = 64 * 1024
  /// How long a connection is still read, and what comes thrown away, when an answer went out before the body was whole:
  /// a connection that is closed with bytes unread may take the answer with it.
  public var linger: Duration = .seconds(2)
  /// How long a client may take nothing of an answer that waits for it, before the connection is closed.
  public var stall: Duration = .seconds(60)

  /// The defaults.
  public init() {}
}

/// A body came more slowly than ``BodyArrivalLimits`` allow.
struct SlowBodyError: Error {}

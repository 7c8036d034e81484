public import Foundation

/// A span of time, half open: from `since` on, before `until`.
public struct TimeRange: Sendable, Hashable {
  /// From this moment on; nil is from the beginning.
  public var since: Date?
  /// Before this moment; nil is without end.
  public var until: Date?

  /// Creates a span.
  ///
  /// - Parameters:
  ///   - since: from this moment on.
  ///   - until: before this moment.
  public init(since: Date? = nil, until: Date? = nil) {
    self.since = since
    self.until = until
  }

  /// Both ends as texts, for what cursors hold for.
  var texts: [String?] { [since.map(RFC3339.text), until.map(RFC3339.text)] }
}

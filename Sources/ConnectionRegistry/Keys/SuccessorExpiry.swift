public import Foundation

/// When the successor of an API key ends.
public enum SuccessorExpiry: Sendable, Hashable {
  /// As long after it is made as the key itself was to end after it was made: a key of 90 days is followed by one of 90
  /// days, one without an end by one without an end.
  case asBefore
  /// Never, whatever held for the key itself.
  case never
  /// At this moment, which must be in the future.
  case at(Date)
}

import ArgumentParser
import ConnectionRegistry

/// A time as people write it: `500ms`, `5s`, `10m`, `48h`, `90d`.
struct DurationArgument: ExpressibleByArgument, Sendable, Hashable {
  let duration: Duration

  /// Reads a time, as settings write it.
  ///
  /// - Parameter argument: A number and its unit; `nil` for anything else, and for zero.
  init?(argument: String) {
    guard let duration = Duration(setting: argument) else { return nil }
    self.duration = duration
  }
}

import ArgumentParser
import ConnectionRegistry

/// How often something is done: a time such as `6h`, or `off`.
struct IntervalArgument: ExpressibleByArgument, Sendable, Hashable {
  /// Zero is never.
  let duration: Duration

  /// Reads an interval.
  ///
  /// - Parameter argument: a number and its unit, or `off`; `nil` for anything else.
  init?(argument: String) {
    guard argument != "off" else {
      duration = .zero
      return
    }
    guard let duration = Duration(setting: argument) else { return nil }
    self.duration = duration
  }
}

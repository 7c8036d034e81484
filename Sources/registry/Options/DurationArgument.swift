import ArgumentParser

/// A time as people write it: `500ms`, `5s`, `10m`, `48h`, `90d`.
struct DurationArgument: ExpressibleByArgument, Sendable, Hashable {
  let duration: Duration

  /// Reads a time.
  ///
  /// - Parameter argument: A number and its unit; `nil` for anything else, and for zero.
  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), number > 0, number.isFinite,
      let unit = Self.units[String(argument.dropFirst(digits.count))]
    else { return nil }
    let seconds = number * unit
    guard seconds < 1e11 else { return nil }
    duration = .milliseconds(Int64((seconds * 1000).rounded()))
  }

  private static let units: [String: Double] = ["ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400]
}

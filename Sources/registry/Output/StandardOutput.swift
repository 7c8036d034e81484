import Foundation

/// The only writer to standard output: what a command was asked for, and nothing else.
///
/// Logs, progress and errors go to standard error.
struct StandardOutput: TextOutput {
  /// Whether a person reads: decides about colour.
  let isTerminal: Bool
  /// Whether text may be coloured: on a terminal, unless `NO_COLOR` is set (no-color.org).
  let isColoured: Bool

  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    isTerminal = isatty(STDOUT_FILENO) == 1
    isColoured = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
  }

  func write(_ text: String) throws(OutputError) {
    try Self.write(text, to: STDOUT_FILENO)
  }

  /// Text for a terminal: control characters are shown, not obeyed, because stored text comes from outside.
  ///
  /// - Parameter text: Any text.
  /// - Returns: The text on one line.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isControl(scalar) {
        result += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    // Overrides of the writing direction can make one id look like another.
    case .format: scalar.properties.isBidiControl
    default: false
    }
  }
}

import Foundation

/// The only writer to standard output: what a command was asked for, and nothing else.
///
/// Logs, progress and errors go to standard error.
struct StandardOutput: Sendable {
  /// Whether a person reads: decides about colour.
  let isTerminal: Bool
  /// Whether text may be coloured: on a terminal, unless `NO_COLOR` is set (no-color.org).
  let isColoured: Bool

  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    isTerminal = isatty(STDOUT_FILENO) == 1
    isColoured = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
  }

  /// Writes one line.
  ///
  /// - Parameter line: The line, without its end.
  /// - Throws: ``OutputError``.
  func line(_ line: String = "") throws(OutputError) {
    try write(line + "\n")
  }

  /// Writes text as it is.
  ///
  /// - Parameter text: The text.
  /// - Throws: ``OutputError`` when the reader has gone or the disk is full.
  func write(_ text: String) throws(OutputError) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if written >= 0 {
        bytes = bytes.dropFirst(written)
      } else if errno == EPIPE {
        throw .readerGone
      } else if errno != EINTR {
        throw .failed(String(cString: strerror(errno)))
      }
    }
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

/// Why standard output could not be written.
enum OutputError: Error {
  /// Whoever read has closed the pipe, as `head` does: not a failure.
  case readerGone
  /// The system's reason.
  case failed(String)
}

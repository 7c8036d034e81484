import Foundation

/// Where the results of a command go.
protocol TextOutput: Sendable {
  /// Whether text may be coloured.
  var isColoured: Bool { get }

  /// Writes text as it is.
  ///
  /// - Parameter text: The text.
  /// - Throws: ``OutputError`` when the reader has gone or the disk is full.
  func write(_ text: String) throws(OutputError)
}

extension TextOutput {
  /// Writes one line.
  ///
  /// - Parameter line: The line, without its end.
  /// - Throws: ``OutputError``.
  func line(_ line: String = "") throws(OutputError) {
    try write(line + "\n")
  }

  /// Writes all of a text to a descriptor.
  static func write(_ text: String, to descriptor: Int32) throws(OutputError) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if written >= 0 {
        bytes = bytes.dropFirst(written)
      } else if errno == EPIPE {
        throw .readerGone
      } else if errno != EINTR {
        throw .failed(String(cString: strerror(errno)))
      }
    }
  }
}

/// Why something could not be written.
enum OutputError: Error, CustomStringConvertible {
  /// Whoever read has closed the pipe, as `head` does. Only of a list one may have seen enough: see ``whileRead(_:)``.
  case readerGone
  /// The system's reason.
  case failed(String)

  var description: String {
    switch self {
    case .readerGone: "the reader has gone"
    case .failed(let reason): "the output cannot be written (\(reason))"
    }
  }

  /// Prints what a reader may have seen enough of, such as a list that `head` cuts off; what follows is done all the same.
  ///
  /// - Parameter print: Prints.
  /// - Returns: Whether somebody read to the end.
  /// - Throws: What `print` throws, but not ``readerGone``.
  @discardableResult
  static func whileRead(_ print: () throws -> Void) throws -> Bool {
    do {
      try print()
      return true
    } catch OutputError.readerGone {
      return false
    }
  }
}

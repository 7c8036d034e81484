import Foundation

/// The only writer to standard error: logs, progress, questions and errors.
enum StandardError {
  /// Writes text as it is. Where nobody reads it any more the command goes on: it has its exit code.
  ///
  /// - Parameter text: The text.
  static func write(_ text: String) {
    // `FileHandle.write(_:)` ends the process where the reader has gone.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}

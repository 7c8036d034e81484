import Foundation
import Subprocess
import SystemPackage
import Testing

extension CommandLineTool {
  /// Runs a command whose results nobody reads: the pipe is closed before it begins.
  ///
  /// - Parameters:
  ///   - arguments: Its arguments.
  ///   - database: Its database.
  ///   - environment: More variables.
  ///   - isErrorRead: Whether somebody reads what it writes to standard error; else that goes into the same pipe.
  /// - Returns: How it ended and what it wrote to standard error.
  /// - Throws: `SubprocessError` when it cannot be run at all.
  static func runUnread(
    _ arguments: [String], database: String?, environment: [String: String] = [:], isErrorRead: Bool = true
  ) async throws -> Outcome {
    // Not to be inherited by what other tests start: whoever holds the end for reading would be a reader.
    let name = FileManager.default.temporaryDirectory.appending(path: "unread-\(UUID().uuidString)").path
    try #require(mkfifo(name, 0o600) == 0)
    defer { unlink(name) }
    let reader = try FileDescriptor.open(FilePath(name), .readOnly, options: [.nonBlocking, .closeOnExec])
    let unread = try FileDescriptor.open(FilePath(name), .writeOnly, options: .closeOnExec)
    try reader.close()
    defer { try? unread.close() }
    let record = try await Subprocess.run(
      .path("/bin/bash"),
      arguments: Arguments(["-c", "exec \"$0\" \"$@\"\(isErrorRead ? "" : " 2>&1")", path] + arguments),
      environment: Self.environment(database: database, environment), input: .none,
      output: .fileDescriptor(unread, closeAfterSpawningProcess: false), error: .string(limit: 4 << 20))
    let code: Int32 =
      switch record.terminationStatus {
      case .exited(let code): code
      case .signaled(let signal): -signal
      }
    return Outcome(code: code, output: "", errors: record.standardError)
  }
}

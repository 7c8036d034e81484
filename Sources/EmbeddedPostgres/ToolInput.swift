import Foundation

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// What a program finds on its standard input.
///
/// No pipe: where a program ends before it has read one, the writer gets SIGPIPE, and Subprocess 1.0 ends the whole
/// process (swift-subprocess, issue 367).
enum ToolInput {
  /// Makes a file without a name that holds a text, open at its beginning and not inherited.
  ///
  /// - Parameter text: The text; an empty one takes no file.
  /// - Returns: The descriptor, which the caller closes.
  /// - Throws: `Errno` when the file cannot be made or written.
  static func file(holding text: String) throws -> FileDescriptor {
    guard !text.isEmpty else { return try FileDescriptor.open("/dev/null", .readOnly, options: .closeOnExec) }
    let path = FileManager.default.temporaryDirectory.appending(path: "registry-input-\(UUID().uuidString)").path
    let file = try FileDescriptor.open(
      FilePath(path), .readWrite, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
    unlink(path)
    do {
      try file.writeAll(text.utf8)
      try file.seek(offset: 0, from: .start)
      return file
    } catch {
      try? file.close()
      throw error
    }
  }
}

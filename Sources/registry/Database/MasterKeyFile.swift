import ConnectionRegistry
import Foundation

/// The master keys of the private cluster: a file beside it that only its owner can read.
enum MasterKeyFile {
  /// Reads the keys, making the file on first use.
  ///
  /// - Parameter directory: The state directory.
  /// - Returns: The ring as `REGISTRY_MASTER_KEYS` would hold it.
  /// - Throws: ``CommandError`` when the file can neither be read nor made.
  static func keys(in directory: String) throws -> String {
    let path = directory + "/master.keys"
    if let text = try read(path) { return text }
    let key = MasterKeyRing.newKey()
    // A name of its own first, then a link that fails if another process was faster: no reader sees half a key.
    let draft = "\(path).\(getpid())"
    let file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("make", draft) }
    defer { unlink(draft) }
    let bytes = Array((key + "\n").utf8)
    let written = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    let synced = fsync(file)
    close(file)
    guard written == bytes.count, synced == 0 else { throw failure("write", draft) }
    guard link(draft, path) == 0 || errno == EEXIST else { throw failure("make", path) }
    guard let text = try read(path) else { throw failure("read", path) }
    return text
  }

  private static func read(_ path: String) throws -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      guard errno == ENOENT else { throw failure("read", path) }
      return nil
    }
    let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & 0o077 == 0 else {
      throw CommandError(
        "Other accounts can read \(path), which holds the master keys: chmod 600 it, and rotate the keys if they did.")
    }
    guard let data = try handle.readToEnd() else { throw CommandError("\(path) is empty.") }
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private static func failure(_ act: String, _ path: String) -> CommandError {
    CommandError("Cannot \(act) \(path), which holds the master keys: \(String(cString: strerror(errno))).")
  }
}

import Foundation

/// Writes a file that appears under its name when it is whole; whatever stood there before stays until then.
struct FileOutput: TextOutput {
  let isColoured = false

  private let path: String
  private let descriptor: Int32
  /// Where it is written meanwhile; nil for a pipe or a device, which is written to as it is.
  private let draft: String?

  /// Whether it is written under another name until it is whole.
  var isDrafted: Bool { draft != nil }

  /// Begins to write.
  ///
  /// - Parameter path: The file's name.
  /// - Throws: ``CommandError`` when it cannot be written.
  init(path: String) throws(CommandError) {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      (self.path, draft) = (path, nil)
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
    } else {
      // Where the name is a link, what it leads to is written.
      let target = URL(filePath: path).resolvingSymlinksInPath().path
      let draft = "\(target).\(UUID().uuidString.prefix(8)).part"
      (self.path, self.draft) = (target, draft)
      descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    }
    guard descriptor >= 0 else { throw Self.failure(path) }
  }

  func write(_ text: String) throws(OutputError) {
    try Self.write(text, to: descriptor)
  }

  /// Gives the file its name: it is on the disk then.
  ///
  /// - Throws: ``CommandError`` when it cannot be written; there is no draft then either.
  func finish() throws(CommandError) {
    guard let draft else {
      guard close(descriptor) == 0 else { throw Self.failure(path) }
      return
    }
    let isSynced = fsync(descriptor) == 0
    guard close(descriptor) == 0, isSynced, rename(draft, path) == 0 else {
      let failure = Self.failure(path)
      unlink(draft)
      throw failure
    }
  }

  /// Gives up: nothing is left of it.
  func discard() {
    close(descriptor)
    if let draft { unlink(draft) }
  }

  private static func failure(_ path: String) -> CommandError {
    CommandError("Cannot write \(path): \(String(cString: strerror(errno))).")
  }
}

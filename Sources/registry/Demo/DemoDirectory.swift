import Foundation

/// The demo's own directory, with the cluster and everything that is written down.
struct DemoDirectory: Sendable {
  /// The directory.
  let path: String

  /// Makes the directory.
  ///
  /// - Parameter parent: where; the system's directory for temporary files when nil, as long as its path is short
  ///   enough for a socket.
  /// - Throws: ``DemoError`` when it cannot be made.
  init(in parent: String?) throws {
    let parent = parent ?? "/tmp"
    var template = Array("\(parent)/registry-demo-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else {
      throw DemoError(
        "Cannot make a directory in \(parent): \(String(cString: strerror(errno))). Name another with --state-dir.")
    }
    self.path = String(cString: made)
    // PostgreSQL refuses to run as root and then has to pass through as somebody else.
    if geteuid() == 0 { chmod(self.path, 0o711) }
    try FileManager.default.createDirectory(atPath: self.found, withIntermediateDirectories: true)
  }

  /// The state directory of the private cluster.
  var state: String { self.path + "/state" }
  /// The account of what happened.
  var ledger: String { self.path + "/ledger.ndjson" }
  /// What the oracle is told beside the ledger.
  var parameters: String { self.path + "/parameters.json" }
  /// The lists of each tenant.
  var found: String { self.path + "/found" }
  /// What the oracle answered.
  var comparison: String { self.path + "/comparison.json" }
  /// The log of the service.
  var serviceLog: String { self.path + "/service.log" }

  /// Removes everything, or everything but what shows how expected and found came about.
  ///
  /// - Parameter keepsAccount: whether ledger, lists and log stay.
  func remove(keepsAccount: Bool) {
    try? FileManager.default.removeItem(atPath: keepsAccount ? self.state : self.path)
  }

  /// Opens a file that only its owner can read.
  ///
  /// - Parameters:
  ///   - path: the file; made when it is missing.
  ///   - appends: whether what stands in it stays.
  /// - Returns: a handle that writes to it.
  /// - Throws: ``DemoError`` when it cannot be written.
  static func open(_ path: String, appends: Bool = false) throws -> FileHandle {
    if !appends || !FileManager.default.fileExists(atPath: path) {
      _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
    }
    guard let handle = FileHandle(forWritingAtPath: path) else { throw DemoError("Cannot write \(path).") }
    if appends { try handle.seekToEnd() }
    return handle
  }
}

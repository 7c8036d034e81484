import Foundation

/// The directory of the server's unix socket: 0700, and short enough for a socket address.
enum SocketDirectory {
  /// The file name of the socket, by PostgreSQL's rule.
  static let socketName = ".s.PGSQL.\(EmbeddedPostgres.port)"

  /// The longest path that fits a socket address, its terminating NUL left out.
  static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  static func fits(_ directory: String) -> Bool {
    directory.utf8.count + 1 + socketName.utf8.count <= longestPath
  }

  /// Makes the directory, or takes the one remembered from an earlier start.
  ///
  /// It lies in the state directory when that is short enough, else under `XDG_RUNTIME_DIR` or `/tmp` by a random name:
  /// a name that can be foreseen there could be taken by another account.
  static func make(
    _ directories: ClusterDirectories, account: ServerAccount, configuration: EmbeddedPostgres.Configuration
  ) throws(EmbeddedPostgresError) -> String {
    if fits(directories.ownSocket) {
      try ClusterDirectories.makeDirectory(directories.ownSocket, for: account)
      return directories.ownSocket
    }
    if let remembered = remembered(directories), let status = FileStatus(remembered), status.isDirectory,
      status.owner == account.userID, status.permissions == 0o700, fits(remembered)
    {
      return remembered
    }
    var parents = configuration.socketParents
    if account.userID == geteuid(), let runtime = configuration.environment["XDG_RUNTIME_DIR"], runtime.hasPrefix("/") {
      parents.insert(runtime, at: 0)
    }
    for parent in parents {
      guard fits(parent + "/connection-registry-XXXXXX"),
        let made = makeTemporary(in: parent, account: account)
      else { continue }
      do {
        try Data(made.utf8).write(to: URL(fileURLWithPath: directories.rememberedSocketDirectory), options: .atomic)
      } catch {
        rmdir(made)
        throw EmbeddedPostgresError(
          .stateDirectoryUnusable, "\(directories.rememberedSocketDirectory) cannot be written: \(error)")
      }
      return made
    }
    throw EmbeddedPostgresError(
      .socketPathTooLong,
      "The socket \(directories.ownSocket)/\(socketName) would be longer than the \(longestPath) bytes that a unix "
        + "socket takes, and no shorter directory could be made in \(parents.joined(separator: " or ")). Choose a "
        + "shorter state directory with REGISTRY_STATE_DIR.")
  }

  /// Removes what a dead server left in the directory, which would bar the next one when its process id is in use again.
  static func removeLeftovers(_ directory: String) {
    unlink(directory + "/" + socketName)
    unlink(directory + "/" + socketName + ".lock")
  }

  /// Removes a directory outside of the state directory.
  static func removeIfElsewhere(_ directories: ClusterDirectories) {
    guard let directory = remembered(directories) else { return }
    removeLeftovers(directory)
    rmdir(directory)
    unlink(directories.rememberedSocketDirectory)
  }

  private static func remembered(_ directories: ClusterDirectories) -> String? {
    try? String(contentsOfFile: directories.rememberedSocketDirectory, encoding: .utf8)
  }

  private static func makeTemporary(in parent: String, account: ServerAccount) -> String? {
    var template = Array((parent + "/connection-registry-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { return nil }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if account.userID != geteuid(), lchown(path, account.userID, account.groupID) != 0 {
      rmdir(path)
      return nil
    }
    return path
  }
}

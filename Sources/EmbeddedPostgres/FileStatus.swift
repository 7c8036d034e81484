import Foundation

/// Owner, mode and kind of a file, read without following a symbolic link at its end unless asked to.
struct FileStatus {
  private let status: stat

  init?(_ path: String, followingLinks: Bool = false) {
    var status = stat()
    guard (followingLinks ? stat(path, &status) : lstat(path, &status)) == 0 else { return nil }
    self.status = status
  }

  var owner: uid_t { status.st_uid }
  var group: gid_t { status.st_gid }
  var permissions: mode_t { status.st_mode & 0o7777 }
  var isDirectory: Bool { status.st_mode & S_IFMT == S_IFDIR }
  var modificationTime: Date { Date(timeIntervalSince1970: TimeInterval(modificationSeconds)) }

  private var modificationSeconds: Int {
    #if canImport(Darwin)
      status.st_mtimespec.tv_sec
    #else
      status.st_mtim.tv_sec
    #endif
  }

  /// Whether an account without privileges may pass through this directory by its mode bits.
  func isSearchable(by account: ServerAccount) -> Bool {
    if account.userID == 0 { return true }
    if owner == account.userID { return permissions & 0o100 != 0 }
    if group == account.groupID { return permissions & 0o010 != 0 }
    return permissions & 0o001 != 0
  }

  /// The first directory on the way to `path` (itself included) that the account may not pass through.
  static func firstUnreachable(on path: String, by account: ServerAccount) -> String? {
    var prefix = ""
    for component in path.split(separator: "/") {
      prefix += "/" + component
      guard let status = FileStatus(prefix, followingLinks: true) else { return nil }
      if status.isDirectory, !status.isSearchable(by: account) { return prefix }
    }
    return nil
  }
}

/// The text of `errno`.
func systemErrorText(_ code: Int32 = errno) -> String {
  String(cString: strerror(code))
}

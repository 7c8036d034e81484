import Foundation

/// An account of the operating system that the server can run as.
struct ServerAccount: Sendable, Hashable {
  let name: String
  let userID: uid_t
  let groupID: gid_t

  /// The account of this process.
  static func current() throws(EmbeddedPostgresError) -> ServerAccount {
    let userID = geteuid()
    guard let account = ServerAccount(userID: userID) else {
      throw EmbeddedPostgresError(
        .wrongOwner,
        "The current account (uid \(userID)) has no name, and PostgreSQL needs one. Add it to /etc/passwd, or give "
          + "REGISTRY_DATABASE_URL to use another database.")
    }
    return account
  }

  init?(userID: uid_t) {
    self.init { getpwuid_r(userID, $0, $1, $2, $3) }
  }

  init?(named name: String) {
    self.init { getpwnam_r(name, $0, $1, $2, $3) }
  }

  private init?(
    _ look: (
      UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
      UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
    ) -> Int32
  ) {
    let found = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer -> ServerAccount? in
      guard let base = buffer.baseAddress else { return nil }
      var entry = passwd()
      var result: UnsafeMutablePointer<passwd>?
      guard look(&entry, base, buffer.count, &result) == 0, result != nil, let name = entry.pw_name else { return nil }
      return ServerAccount(name: String(cString: name), userID: entry.pw_uid, groupID: entry.pw_gid)
    }
    guard let found else { return nil }
    self = found
  }

  private init(name: String, userID: uid_t, groupID: gid_t) {
    self.name = name
    self.userID = userID
    self.groupID = groupID
  }

  /// The account that the server of this cluster runs as.
  ///
  /// PostgreSQL demands that the owner of the data directory runs it, and refuses root.
  static func forServer(
    _ configuration: EmbeddedPostgres.Configuration, clusterDirectory: String
  ) throws(EmbeddedPostgresError) -> ServerAccount {
    let current = try current()
    let owner = FileStatus(clusterDirectory)?.owner
    guard current.userID == 0 else {
      guard owner == nil || owner == current.userID else {
        throw EmbeddedPostgresError(
          .wrongOwner,
          "\(clusterDirectory) belongs to \(describe(owner)), and this runs as \(current.name). Run it as the owner, or "
            + "choose another state directory with REGISTRY_STATE_DIR.")
      }
      return current
    }
    if let owner, owner != 0 {
      guard let account = ServerAccount(userID: owner) else {
        throw EmbeddedPostgresError(
          .wrongOwner,
          "\(clusterDirectory) belongs to uid \(owner), which has no account here. Give it to one with chown -R, or "
            + "choose another state directory with REGISTRY_STATE_DIR.")
      }
      return account
    }
    if owner == 0 {
      throw EmbeddedPostgresError(
        .wrongOwner,
        "\(clusterDirectory) belongs to root, which PostgreSQL refuses to run as. Give it to another account "
          + "(chown -R postgres \(clusterDirectory)), or choose another state directory with REGISTRY_STATE_DIR.")
    }
    let candidates = configuration.serverAccount.map { [$0] } ?? ["postgres", "nobody"]
    for name in candidates {
      if let account = ServerAccount(named: name), account.userID != 0 { return account }
    }
    throw EmbeddedPostgresError(
      .wrongOwner,
      "PostgreSQL refuses to run as root, and there is no account \(candidates.joined(separator: " or ")) to run it as. "
        + "Add one (useradd --system postgres), or run this as a plain account.")
  }

  private static func describe(_ userID: uid_t?) -> String {
    guard let userID else { return "nobody" }
    return ServerAccount(userID: userID)?.name ?? "uid \(userID)"
  }
}

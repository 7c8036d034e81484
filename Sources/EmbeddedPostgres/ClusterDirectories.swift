import Foundation

/// Where the parts of a private cluster lie below its state directory.
///
/// ```
/// state directory        the caller's; root's own when root starts the cluster
/// ├── start.lock         held while somebody starts or stops the server
/// ├── in-use.lock        held, shared, by everybody who uses the server
/// ├── keep-running       there when the server is to stay up without users
/// ├── socket-directory   remembers a short directory elsewhere
/// ├── config/            settings and access rules, closed to the server's account for writing
/// └── postgres/          the server account's, 0700
///     ├── data/
///     ├── socket/
///     └── server.log
/// ```
struct ClusterDirectories: Sendable {
  let state: String

  var startLock: String { state + "/start.lock" }
  var useLock: String { state + "/in-use.lock" }
  var keepMarker: String { state + "/keep-running" }
  var rememberedSocketDirectory: String { state + "/socket-directory" }
  var config: String { state + "/config" }
  var configFile: String { config + "/postgresql.conf" }
  var accessFile: String { config + "/pg_hba.conf" }
  var identityFile: String { config + "/pg_ident.conf" }
  var cluster: String { state + "/postgres" }
  var data: String { cluster + "/data" }
  var unfinishedData: String { cluster + "/data.unfinished" }
  var ownSocket: String { cluster + "/socket" }
  var log: String { cluster + "/server.log" }
  var postmasterFile: String { data + "/postmaster.pid" }

  /// The layout below the configured directory. Touches nothing.
  init(_ configuration: EmbeddedPostgres.Configuration) throws(EmbeddedPostgresError) {
    let given =
      configuration.stateDirectory
      ?? EmbeddedPostgres.Configuration.defaultStateDirectory(
        environment: configuration.environment, isRoot: geteuid() == 0)
    let state = URL(fileURLWithPath: given).standardizedFileURL.path
    // pg_ctl hands these paths to a shell inside double quotes.
    let forbidden: Set<Character> = ["\"", "`", "$", "\\", "\n", "\r", "\r\n", "\0"]
    guard !given.isEmpty, state != "/", !state.contains(where: { forbidden.contains($0) }) else {
      throw EmbeddedPostgresError(
        .invalidConfiguration,
        "The state directory \(String(reflecting: given)) cannot be used: name a directory without quotation marks, "
          + "dollar signs, back-quotes, backslashes and line ends (REGISTRY_STATE_DIR).")
    }
    self.state = state
  }

  /// The major version of the cluster that is there, or `nil` when there is none yet.
  func clusterVersion() -> Int? {
    guard let text = try? String(contentsOfFile: data + "/PG_VERSION", encoding: .utf8) else { return nil }
    return Int(text.prefix { $0.isNumber })
  }

  /// Makes the state directory, open for passing through only as far as the server's account needs it.
  func makeStateDirectory(account: ServerAccount) throws(EmbeddedPostgresError) {
    let dropsRoot = account.userID != geteuid()
    var prefix = ""
    for component in state.split(separator: "/") {
      prefix += "/" + component
      if let status = FileStatus(prefix, followingLinks: true) {
        guard status.isDirectory else { throw unusable("\(prefix) is not a directory") }
        continue
      }
      try makeVisible(prefix, mode: dropsRoot ? 0o711 : prefix == state ? 0o700 : 0o755)
    }
    guard access(state, W_OK | X_OK) == 0 else { throw unusable("it cannot be written: \(systemErrorText())") }
    if dropsRoot, let closed = FileStatus.firstUnreachable(on: state, by: account) {
      throw EmbeddedPostgresError(
        .directoryNotReachable,
        "PostgreSQL refuses to run as root, so it runs as \(account.name), and \(account.name) may not enter \(closed), "
          + "which holds the state directory \(state). Choose another one with REGISTRY_STATE_DIR (for example "
          + "/var/lib/connection-registry), or open it (chmod a+x \(closed)).")
    }
  }

  /// Makes a directory that has its mode from the moment it can be seen: others who start at the same time judge it by its
  /// mode, and would find it closed between `mkdir` and `chmod`. One that has appeared meanwhile is theirs, and as good.
  private func makeVisible(_ path: String, mode: mode_t) throws(EmbeddedPostgresError) {
    var template = Array("\(path).XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw unusable("\(path) cannot be made: \(systemErrorText())") }
    let unnamed = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    guard chmod(unnamed, mode) == 0, rename(unnamed, path) == 0 else {
      let reason = systemErrorText()
      rmdir(unnamed)
      guard FileStatus(path, followingLinks: true)?.isDirectory == true else {
        throw unusable("\(path) cannot be made: \(reason)")
      }
      return
    }
  }

  /// Makes the directory of the server's account, and that of the settings.
  func makeClusterDirectory(account: ServerAccount) throws(EmbeddedPostgresError) {
    try Self.makeDirectory(cluster, for: account)
    if FileStatus(config) == nil {
      guard mkdir(config, 0o700) == 0, chmod(config, account.userID == geteuid() ? 0o700 : 0o755) == 0 else {
        throw unusable("\(config) cannot be made: \(systemErrorText())")
      }
    }
  }

  /// Makes a directory that only the account may enter, or proves that an existing one is just that.
  static func makeDirectory(_ path: String, for account: ServerAccount) throws(EmbeddedPostgresError) {
    if mkdir(path, 0o700) == 0 {
      guard account.userID == geteuid() || lchown(path, account.userID, account.groupID) == 0 else {
        throw EmbeddedPostgresError(
          .stateDirectoryUnusable, "\(path) cannot be given to \(account.name): \(systemErrorText())")
      }
    }
    guard let status = FileStatus(path), status.isDirectory else {
      throw EmbeddedPostgresError(.stateDirectoryUnusable, "The directory \(path) cannot be made: \(systemErrorText())")
    }
    guard status.owner == account.userID else {
      throw EmbeddedPostgresError(
        .wrongOwner, "\(path) must belong to \(account.name), which the server runs as (chown -R \(account.name)).")
    }
    guard status.permissions & 0o077 == 0 || chmod(path, 0o700) == 0 else {
      throw EmbeddedPostgresError(
        .stateDirectoryUnusable, "\(path) is open to other accounts and cannot be closed: \(systemErrorText())")
    }
  }

  private func unusable(_ reason: String) -> EmbeddedPostgresError {
    EmbeddedPostgresError(
      .stateDirectoryUnusable,
      "The state directory \(state) cannot be used: \(reason). Choose another one with REGISTRY_STATE_DIR.")
  }
}

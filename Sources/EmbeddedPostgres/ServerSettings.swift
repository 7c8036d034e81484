import Foundation

/// The files that say how the server of a private cluster runs and who may connect.
///
/// They lie outside of the data directory: when root starts the cluster they belong to root, and the server's account
/// can neither change who may connect nor have root write through a link of its making.
struct ServerSettings {
  let configuration: EmbeddedPostgres.Configuration
  let directories: ClusterDirectories
  let socketDirectory: String
  let account: ServerAccount

  func write() throws(EmbeddedPostgresError) {
    try write(mainFile(), to: directories.configFile)
    try write("local all all peer map=registry\n", to: directories.accessFile)
    try write(identityFile(), to: directories.identityFile)
  }

  private func mainFile() throws(EmbeddedPostgresError) -> String {
    var settings: [String: String] = [
      "listen_addresses": "",
      "port": String(EmbeddedPostgres.port),
      "unix_socket_directories": "\"\(socketDirectory)\"",
      "unix_socket_permissions": "0700",
      "hba_file": directories.accessFile,
      "ident_file": directories.identityFile,
      "timezone": "UTC",
      "log_timezone": "UTC",
      "logging_collector": "off",
      "log_destination": "stderr",
      // DETAIL lines hold the values of rows, and so the ids of persons.
      "log_error_verbosity": "terse",
      "log_min_error_statement": "panic",
    ]
    if configuration.durability == .volatile {
      settings["fsync"] = "off"
      settings["full_page_writes"] = "off"
    }
    for (name, value) in configuration.settings {
      guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.".contains($0)) }),
        !value.contains(where: { $0.isNewline || $0 == "\0" })
      else {
        throw EmbeddedPostgresError(
          .invalidConfiguration,
          "The PostgreSQL setting \(String(reflecting: name)) cannot be used: a name has letters, digits, '_' and '.', "
            + "and a value stands on one line.")
      }
      settings[name] = value
    }
    let lines = settings.sorted { $0.key < $1.key }.map { "\($0.key) = \(Self.quote($0.value))" }
    return (["# Written at every start.", "include \(Self.quote(directories.data + "/postgresql.conf"))"] + lines)
      .joined(separator: "\n") + "\n"
  }

  /// Which account may log in as which role. Root is let in beside the cluster's owner, because it can become anyone.
  private func identityFile() throws(EmbeddedPostgresError) -> String {
    var accounts = ["root"]
    // Other programs run as `postgres` or `nobody` too; only the account that started the cluster is let in.
    if geteuid() != 0 { accounts.append(account.name) }
    var lines: [String] = []
    for role in [EmbeddedPostgres.superuser] + configuration.loginRoles {
      guard !role.isEmpty, !role.contains(where: { $0 == "\"" || $0.isNewline || $0 == "\0" || $0 == "\\" }) else {
        throw EmbeddedPostgresError(
          .invalidConfiguration, "The role name \(String(reflecting: role)) cannot be used in pg_ident.conf.")
      }
      lines += accounts.map { "registry \"\($0)\" \"\(role)\"" }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func write(_ text: String, to path: String) throws(EmbeddedPostgresError) {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw EmbeddedPostgresError(.stateDirectoryUnusable, "\(path) cannot be written: \(error.localizedDescription)")
    }
    guard account.userID == geteuid() || chmod(path, 0o644) == 0 else {
      throw EmbeddedPostgresError(.stateDirectoryUnusable, "\(path): \(systemErrorText())")
    }
  }

  private static func quote(_ value: String) -> String {
    "'" + value.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
  }
}

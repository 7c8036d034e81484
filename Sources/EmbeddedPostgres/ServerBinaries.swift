import Foundation

/// The programs of one installed PostgreSQL server.
struct ServerBinaries: Sendable {
  /// The oldest major version that the product supports.
  static let oldestMajorVersion = 14

  /// Where packages put servers that they do not put on `PATH`. A star stands for a version; newest first.
  static let installationPatterns = [
    "/usr/lib/postgresql/*/bin",  // Debian, Ubuntu
    "/usr/pgsql-*/bin",  // PostgreSQL's own packages for Red Hat
    "/usr/libexec/postgresql*",  // Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
  ]

  let directory: String
  let majorVersion: Int

  func path(_ program: String) -> String { directory + "/" + program }

  /// Chooses the server for a cluster.
  ///
  /// - Parameters:
  ///   - configuration: Where to look.
  ///   - clusterVersion: The major version that made the existing cluster.
  ///   - dataDirectory: The existing cluster, for the message.
  ///   - account: The account that must be able to run the programs.
  ///   - tool: Runs `postgres --version`.
  /// - Returns: The first that fits, `PATH` before the packages' places, newer before older.
  /// - Throws: ``EmbeddedPostgresError`` that says what is there and what to install.
  static func find(
    _ configuration: EmbeddedPostgres.Configuration, clusterVersion: Int?, dataDirectory: String,
    account: ServerAccount, tool: ServerTool
  ) async throws -> ServerBinaries {
    var found: [ServerBinaries] = []
    var unreachable: String?
    for directory in candidates(configuration) {
      if let closed = FileStatus.firstUnreachable(on: directory, by: account) {
        unreachable = unreachable ?? closed
        continue
      }
      if let version = await majorVersion(in: directory, tool: tool) {
        found.append(ServerBinaries(directory: directory, majorVersion: version))
      }
    }
    if let clusterVersion {
      if let match = found.first(where: { $0.majorVersion == clusterVersion }) { return match }
    } else if let usable = found.first(where: { $0.majorVersion >= oldestMajorVersion }) {
      return usable
    }
    throw noServer(
      configuration, found: found, clusterVersion: clusterVersion, dataDirectory: dataDirectory,
      unreachable: unreachable, account: account)
  }

  private static func noServer(
    _ configuration: EmbeddedPostgres.Configuration, found: [ServerBinaries], clusterVersion: Int?,
    dataDirectory: String, unreachable: String?, account: ServerAccount
  ) -> EmbeddedPostgresError {
    let installed = found.map { "PostgreSQL \($0.majorVersion) in \($0.directory)" }.joined(separator: ", ")
    if let clusterVersion {
      return EmbeddedPostgresError(
        .serverVersionMismatch,
        "The cluster in \(dataDirectory) was made by PostgreSQL \(clusterVersion), "
          + (found.isEmpty ? "and no server is installed" : "and only \(installed) is installed")
          + ". Install that version (apt-get install postgresql-\(clusterVersion)), upgrade the cluster with "
          + "pg_upgrade, or choose another state directory with REGISTRY_STATE_DIR.")
    }
    if !found.isEmpty {
      return EmbeddedPostgresError(
        .serverTooOld,
        "The private cluster needs PostgreSQL \(oldestMajorVersion) or newer; found \(installed). Install a newer "
          + "server, or give REGISTRY_DATABASE_URL to use another database.")
    }
    if let unreachable {
      return EmbeddedPostgresError(
        .directoryNotReachable,
        "The PostgreSQL server's programs are below \(unreachable), which the account \(account.name) may not enter. "
          + "Open it (chmod a+x \(unreachable)), or install PostgreSQL elsewhere (apt-get install postgresql).")
    }
    if let directory = configuration.binaryDirectory {
      return EmbeddedPostgresError(
        .serverNotInstalled,
        "There are no working postgres, initdb and pg_ctl in \(directory). Name the directory that holds them, or leave "
          + "it out to have them looked for.")
    }
    return EmbeddedPostgresError(
      .serverNotInstalled,
      "No PostgreSQL server is installed: postgres, initdb and pg_ctl are neither on PATH nor where packages put them. "
        + "Install it (apt-get install postgresql; brew install postgresql@17), or give REGISTRY_DATABASE_URL to use "
        + "another database.")
  }

  /// The directories that hold all three programs, in the order of preference.
  private static func candidates(_ configuration: EmbeddedPostgres.Configuration) -> [String] {
    let programs = ["postgres", "initdb", "pg_ctl"]
    var directories: [String]
    if let directory = configuration.binaryDirectory {
      directories = [directory]
    } else {
      directories = (configuration.environment["PATH"] ?? "").split(separator: ":").map(String.init)
      directories += configuration.installationPatterns.flatMap(expand)
    }
    var seen: Set<String> = []
    return directories.compactMap { directory in
      guard directory.hasPrefix("/"),
        programs.allSatisfy({ FileManager.default.isExecutableFile(atPath: directory + "/" + $0) })
      else { return nil }
      // A link into the real installation: the programs find their libraries and each other from there.
      let real = URL(fileURLWithPath: directory + "/postgres").resolvingSymlinksInPath().deletingLastPathComponent()
        .path
      let holdsAll = programs.allSatisfy { FileManager.default.isExecutableFile(atPath: real + "/" + $0) }
      let chosen = holdsAll ? real : directory
      return seen.insert(chosen).inserted ? chosen : nil
    }
  }

  /// Replaces the one star of a pattern by what the directory holds, greatest version first.
  private static func expand(_ pattern: String) -> [String] {
    let components = pattern.split(separator: "/").map(String.init)
    guard let index = components.firstIndex(where: { $0.contains("*") }) else { return [pattern] }
    let parent = "/" + components[..<index].joined(separator: "/")
    let parts = components[index].split(separator: "*", omittingEmptySubsequences: false).map(String.init)
    let rest = components[(index + 1)...].map { "/" + $0 }.joined()
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    return names.compactMap { name -> (version: Double, path: String)? in
      guard let prefix = parts.first, let suffix = parts.last, name.hasPrefix(prefix), name.hasSuffix(suffix),
        let version = Double(name.dropFirst(prefix.count).dropLast(suffix.count))
      else { return nil }
      return (version, parent + "/" + name + rest)
    }
    .sorted { $0.version > $1.version }
    .map(\.path)
  }

  /// The major version by `postgres --version`, or `nil` when the program does not work.
  private static func majorVersion(in directory: String, tool: ServerTool) async -> Int? {
    guard let outcome = try? await tool.run(directory + "/postgres", ["--version"]), outcome.succeeded,
      let number = outcome.output.split(separator: " ").first(where: { $0.first?.isNumber == true })
    else { return nil }
    return Int(number.prefix { $0.isNumber })
  }
}

import Foundation

extension EmbeddedPostgres {
  /// How much a commit is worth when the machine loses power.
  public enum Durability: Sendable, Hashable {
    /// `fsync` on, data checksums, and a new cluster is flushed to disk before it is used.
    case durable
    /// `fsync` off: what is committed outlives a crash of the server, but not a power cut. For tests.
    case volatile
  }

  /// What a private cluster is to be like.
  public struct Configuration: Sendable {
    /// The directory that holds the cluster, its locks and its settings; made when missing.
    ///
    /// `nil` takes ``EmbeddedPostgres/Configuration/defaultStateDirectory()``. A relative path is taken
    /// from the current directory.
    public var stateDirectory: String?

    /// The directory of `postgres`, `initdb` and `pg_ctl`; `nil` looks in `PATH` and where packages put them.
    public var binaryDirectory: String?

    /// The account that the server runs as when this process is root, which PostgreSQL refuses to be.
    ///
    /// `nil` takes the owner of an existing cluster, else `postgres`, else `nobody`. Without root the server runs as
    /// the current account, and this is not looked at.
    public var serverAccount: String?

    /// The database that ``EmbeddedPostgres/connectionInfo`` names; made together with the cluster.
    public var database = "registry"

    /// Roles besides the superuser that the current account (and root) may log in as, without a password.
    ///
    /// They must be able to log in (`CREATE ROLE … LOGIN`); the cluster does not make them.
    public var loginRoles: [String] = []

    /// How much a commit is worth when the machine loses power.
    public var durability: Durability = .durable

    /// More settings of `postgresql.conf`, which win over those of the private cluster.
    public var settings: [String: String] = [:]

    /// Whether the server stays up after ``EmbeddedPostgres/stop()`` and after the process has ended.
    public var leavesRunning = false

    /// How long a start may take, recovery after a crash included, and how long to wait for another process's start.
    public var startTimeout: Duration = .seconds(60)

    /// The environment to search `PATH`, `HOME` and `XDG_*` in. Only tests give another one.
    package var environment = ProcessInfo.processInfo.environment

    /// Patterns of directories to look for servers in, after `PATH`. Only tests give others.
    package var installationPatterns = ServerBinaries.installationPatterns

    /// Where to make a directory for the socket when the state directory's path is too long. Only tests give others.
    package var socketParents = ["/tmp"]

    /// Makes a configuration with the default values.
    ///
    /// - Parameter stateDirectory: The directory that holds the cluster; `nil` takes the default one.
    public init(stateDirectory: String? = nil) {
      self.stateDirectory = stateDirectory
    }

    /// The state directory when none is given.
    ///
    /// `$XDG_STATE_HOME/connection-registry`; without that variable `~/.local/state/connection-registry`, and for root
    /// `/var/lib/connection-registry`, because root's home is closed to the account that the server runs as.
    ///
    /// - Returns: An absolute path.
    public static func defaultStateDirectory() -> String {
      defaultStateDirectory(environment: ProcessInfo.processInfo.environment, isRoot: geteuid() == 0)
    }

    static func defaultStateDirectory(environment: [String: String], isRoot: Bool) -> String {
      // The XDG specification tells to ignore a relative path.
      if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
        return state + "/connection-registry"
      }
      if isRoot { return "/var/lib/connection-registry" }
      let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? NSHomeDirectory()
      return home + "/.local/state/connection-registry"
    }
  }
}

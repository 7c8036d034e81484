import ArgumentParser
import ConnectionRegistry
import EmbeddedPostgres
import RegistryPostgres

/// What the process ends with. Scripts may rely on these.
enum CommandExit: Int32 {
  /// Done.
  case done = 0
  /// Only where asked for: `--fail-on` found something.
  case found = 1
  /// It could not be done, or only partly.
  case notDone = 2
  /// The command line or a setting is wrong (`EX_USAGE`).
  case usage = 64
  /// The database or Terra is unavailable (`EX_UNAVAILABLE`).
  case unavailable = 69
  /// The schema is newer than this binary, or not migrated (`EX_CONFIG`).
  case schema = 78

  /// The code for an error.
  ///
  /// - Parameter error: What a command threw; errors of the argument parser are not for here.
  init(_ error: any Error) {
    switch error {
    case let error as CommandError: self = error.exitCode
    case is SettingError: self = .usage
    case is EmbeddedPostgresError: self = .unavailable
    case let error as RegistryError: self = Self.code(of: error.code)
    case let error as MigrationError: self = error.isSchemaMismatch ? .schema : .notDone
    case let error as PostgresError: self = error.code == .server ? .notDone : .unavailable
    default: self = .notDone
    }
  }

  private static func code(of code: RegistryError.Code) -> CommandExit {
    switch code {
    case .databaseUnavailable, .terraUnavailable, .terraTimedOut, .terraRateLimited, .terraUsersUnreadable:
      .unavailable
    case .schemaNotMigrated, .schemaNewer: .schema
    case .invalidRequest: .usage
    default: .notDone
    }
  }
}

import ArgumentParser
import ConnectionRegistry
import Foundation
import RegistrySQL

/// The schema of the database.
struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "The database's schema: see how it stands, and bring it up to date.",
    subcommands: [Plan.self, Apply.self, Status.self, Validate.self])

  /// A migration as the commands print it.
  struct Row: Encodable, Sendable {
    /// Its number, from 1.
    var number: Int
    /// Its name.
    var name: String
    /// `applied`, `pending`, or `newer` when this binary does not know it.
    var state: String
    /// Whether binaries made before it can no longer work on the schema.
    var breaking: Bool
    /// When it ran.
    var appliedAt: Date?
    /// SHA-256 of its text.
    var checksum: String

    init(pending: Migration, state: String = "pending") {
      self.init(
        number: pending.number, name: pending.name, state: state, breaking: pending.isBreaking,
        checksum: pending.checksum)
    }

    init(applied: AppliedMigration, isNewer: Bool) {
      self.init(
        number: applied.number, name: applied.name, state: isNewer ? "newer" : "applied", breaking: applied.isBreaking,
        appliedAt: applied.appliedAt, checksum: applied.checksum)
    }

    private init(
      number: Int, name: String, state: String, breaking: Bool, appliedAt: Date? = nil, checksum: String
    ) {
      self.number = number
      self.name = name
      self.state = state
      self.breaking = breaking
      self.appliedAt = appliedAt
      self.checksum = checksum
    }
  }

  /// Prints migrations as a list.
  static func print(_ rows: [Row], _ format: OutputFormat, empty: String) throws {
    var printer = ListPrinter(
      StandardOutput(), format,
      columns: [
        Column("number", .count), Column("name"), Column("state"), Column("breaking"),
        Column("applied_at", header: "applied", .time),
      ], empty: empty)
    try printer.print(rows)
  }
}

extension MigrateCommand {
  /// Shows what `apply` would do.
  struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show which migrations `apply` would run.")

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let pending = try await RegistryAccess(database).withDatabase { database in
        try await database.withMigrator { try await $0.plan() }
      }
      try OutputError.whileRead {
        try MigrateCommand.print(
          pending.map { Row(pending: $0) }, output.format, empty: "Nothing to do: the schema is up to date.")
      }
    }
  }

  /// Runs what is pending.
  struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run the pending migrations in order; it may be called at any time.")

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let ran = try await RegistryAccess(database).withDatabase { database in
        try await database.withMigrator { try await $0.apply() }
      }
      try MigrateCommand.print(
        ran.map { Row(pending: $0, state: "applied") }, output.format,
        empty: "Nothing to do: the schema is up to date.")
    }
  }

  /// Shows how the schema stands.
  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show every migration; the exit code is 78 when this binary cannot work on the schema.")

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let status = try await RegistryAccess(database).withDatabase { database in
        try await database.withMigrator { try await $0.status() }
      }
      let newer = Set(status.newer.map(\.number))
      let rows =
        status.applied.map { Row(applied: $0, isNewer: newer.contains($0.number)) }
        + status.pending.map { Row(pending: $0) }
      try OutputError.whileRead {
        try MigrateCommand.print(rows.sorted { $0.number < $1.number }, output.format, empty: "No migrations.")
      }
      if let warning = status.warning { Progress.say("Warning: \(warning).") }
      if let problem = status.problems.first { throw problem }
      if !status.pending.isEmpty { throw MigrationError.notMigrated(pending: status.pending.map(\.fileName)) }
    }
  }

  /// Checks the schema.
  struct Validate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check that this binary can work on the schema, and that no migration was changed after it ran.")

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let status = try await RegistryAccess(database).withDatabase { database in
        try await database.withMigrator { try await $0.requireMigrated() }
      }
      struct Answer: Encodable { var valid = true, applied: Int, warning: String? }
      let answer = Answer(applied: status.applied.count, warning: status.warning)
      try DetailPrinter(StandardOutput(), output.format).print(answer)
    }
  }
}

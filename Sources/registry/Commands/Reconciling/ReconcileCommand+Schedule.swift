import ArgumentParser
import ConnectionRegistry
import Foundation

extension ReconcileCommand {
  static let placeColumns = [
    Column("tenant"), Column("status", .status), Column("due_at", header: "due", .time),
    Column("started_at", header: "last began", .time), Column("missed", .count),
    Column("paused_by", header: "paused by"), Column("paused_reason", header: "why"),
  ]

  /// Shows who is due when.
  struct Schedule: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show when each tenant is due, who is paused, and how many runs were missed.",
      discussion: """
        `registry serve` runs every tenant each REGISTRY_RECONCILE_EVERY (15m; off leaves it to `reconcile run --all`). A \
        run that fell due while nobody was there is missed: it is counted, and the next one makes good for all of them.
        """)

    @OptionGroup var page: PageOptions
    @OptionGroup var scope: RegistryScope

    func run() async throws {
      try await scope.list(
        page, columns: ReconcileCommand.placeColumns,
        empty: "No tenants yet: `registry tenant create` makes one."
      ) {
        // The list goes by slug, so the last slug is the cursor.
        Listed(
          try await $0.reconciliations.places(after: $1.cursor, limit: $1.limit + 1), limit: $1.limit, cursor: \.tenant)
      }
    }
  }

  /// Takes a tenant out of the schedule.
  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take a tenant out of the schedule until it is resumed.",
      discussion: "`reconcile run --tenant` still runs it. A run that is under way stops after its slice.")

    @Option(help: ArgumentHelp("Who pauses it; without it the account that runs the command.", valueName: "name"))
    var by: String?

    @Option(help: ArgumentHelp("Why.", valueName: "text"))
    var reason: String

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.reconciliations.pause(tenant: $1, by: by ?? NSUserName(), reason: reason)
      }
    }
  }

  /// Puts a tenant back.
  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Put a paused tenant back into the schedule: it is due at once.")

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.reconciliations.resume(tenant: $1)
      }
    }
  }
}

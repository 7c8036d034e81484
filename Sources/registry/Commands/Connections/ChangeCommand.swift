import ArgumentParser
import ConnectionRegistry

/// The change feed: every transition of every connection.
struct ChangeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "change", abstract: "The change feed: every transition of every connection, with none overlooked.",
    subcommands: [List.self, Follow.self])

  static let columns = [
    Column("user_id", header: "user id"), Column("sequence", .count), Column("from_status", header: "from", .status),
    Column("to_status", header: "to", .status), Column("reference_id", header: "reference id"), Column("resource"),
    Column("cause_type", header: "cause"), Column("recorded_at", header: "recorded", .time),
  ]
}

extension ChangeCommand {
  /// Lists changes.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List changes in the feed's order.",
      discussion: "Each change has a cursor as JSON; --cursor goes on behind it.")

    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.list(page, columns: ChangeCommand.columns, empty: "No changes.") { registry, tenant, page in
        let part = try await registry.changes.page(
          tenant: tenant, after: page.cursor.map(ChangeStart.after) ?? .beginning, limit: page.limit)
        return Listed(items: part.items, nextCursor: part.items.count < page.limit ? nil : part.cursor)
      }
    }
  }

  /// Follows the feed.
  struct Follow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print changes as they come, until it is interrupted.",
      discussion: """
        With --consumer the registry keeps the place: what was printed is acknowledged and does not come again. As JSON \
        each change is a line.
        """)

    @Option(help: ArgumentHelp("Begin behind this change: its cursor.", valueName: "cursor"))
    var after: String?

    @Flag(help: "Begin behind the last change that there is.")
    var now = false

    @Option(help: ArgumentHelp("Keep the place under this name.", valueName: "name"))
    var consumer: String?

    @Option(help: ArgumentHelp("End after so many changes.", valueName: "n"))
    var limit: Int?

    @OptionGroup var scope: TenantScope

    func validate() throws {
      if after != nil, now { throw ValidationError("Give --after or --now, not both.") }
      guard limit ?? 1 > 0 else { throw ValidationError("--limit takes a number from 1.") }
    }

    func run() async throws {
      let start = after.map(ChangeStart.after) ?? (now ? .now : .beginning)
      try await scope.with { registry, tenant in
        let format = scope.registry.output.format
        var printer = ListPrinter(StandardOutput(), format == .json ? .ndjson : format, columns: ChangeCommand.columns)
        var left = limit ?? .max
        let changes =
          consumer.map { registry.changes(tenant: tenant, consumer: $0, startingAt: start) }
          ?? registry.changes.follow(tenant: tenant, after: start)
        for try await change in changes {
          guard try OutputError.whileRead({ try printer.print([change.change]) }) else { return }
          try await change.acknowledge()
          left -= 1
          if left == 0 { return }
        }
      }
    }
  }
}

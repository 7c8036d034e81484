import ArgumentParser
import ConnectionRegistry

extension AppUserCommand {
  /// Says that one app user is another.
  struct Merge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Merge an app user into another, who has everything from now on.",
      discussion: """
        For an anonymous app user who has signed in. What comes later under the old id belongs to the other as well. \
        It is written to the audit, and there is no way back.
        """)

    @Argument(help: ArgumentHelp("Who turned out to be another.", valueName: "reference-id"))
    var referenceID: String

    @Option(help: ArgumentHelp("Who that is.", valueName: "reference-id"))
    var into: String

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try Confirmation.require(
        """
        Merge the app user \(StandardOutput.printable(referenceID)) of \(scope.tenant) into \
        \(StandardOutput.printable(into))? It cannot be undone.
        """, yes: yes)
      try await scope.print {
        try await $0.appUsers.merge(tenant: $1, referenceID, into: into, by: OperatorName.current)
      }
    }
  }

  /// Lists app users.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List app users in the order in which they were first named, merged ones too.")

    @Option(help: ArgumentHelp("Only those with this tag.", valueName: "key=value"))
    var tag: Tag?

    @OptionGroup var created: CreatedSpanOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var scope: TenantScope

    static let columns = [
      Column("reference_id", header: "reference id"), Column("created_at", header: "created", .time),
      Column("merged_into", header: "merged into"), Column("tags"),
    ]

    func run() async throws {
      try await scope.list(page, columns: Self.columns, empty: "No app users.") {
        try await $0.appUsers.list(tenant: $1, tag: tag, created: created.range, page: $2)
      }
    }
  }

  /// Changes an app user's tags.
  struct Tags: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "tag", abstract: "Set and take away an app user's tags; the others stay.")

    @Argument(help: ArgumentHelp("The app user's id at the team.", valueName: "reference-id"))
    var referenceID: String

    @OptionGroup var tags: TagOptions
    @OptionGroup var scope: TenantScope

    func run() async throws {
      try await scope.print {
        try await $0.appUsers.tag(tenant: $1, referenceID, tags.changes)
      }
    }
  }
}

import ArgumentParser
import ConnectionRegistry

extension AppUserCommand {
  /// Gives out everything about one app user.
  struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print everything that is held about an app user, as one JSON document.")

    @Argument(help: ArgumentHelp("The app user's id at the team.", valueName: "reference-id"))
    var referenceID: String

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
      try await RegistryAccess.withRegistry(database) { registry in
        let output = StandardOutput()
        for try await piece in try await registry.appUsers.export(tenant: tenant.tenant, referenceID) {
          try output.write(String(decoding: piece, as: UTF8.self))
        }
      }
    }
  }

  /// Takes out everything about one app user.
  struct Erase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take out everything that is held about an app user; there is no way back.",
      discussion: """
        Those who were merged into the app user go too. Nothing is ended at Terra: deauthenticate connections before. What \
        comes later about them is not recorded. Where it cannot be brought to its end, run it again.
        """)

    @Argument(help: ArgumentHelp("The app user's id at the team.", valueName: "reference-id"))
    var referenceID: String

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try Confirmation.require(
        """
        Erase the app user \(StandardOutput.printable(referenceID)) of \(scope.tenant) with everything that is held? It \
        cannot be undone.
        """, yes: yes)
      try await scope.print {
        try await $0.appUsers.erase(tenant: $1, referenceID, by: OperatorName.current)
      }
    }
  }
}

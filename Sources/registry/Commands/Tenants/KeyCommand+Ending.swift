import ArgumentParser
import ConnectionRegistry
import Foundation

extension KeyCommand {
  /// Ends a key.
  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End an API key at once, for ever.",
      discussion: "Whoever uses it is refused from now on. `registry key rotate` makes a successor before.")

    @Argument(help: "The key's id.", transform: UUIDArgument.parse)
    var keyID: UUID

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    @OptionGroup var scope: TenantScope

    func run() async throws {
      try Confirmation.require(
        "Revoke the API key \(keyID.text) of \(scope.tenant)? It cannot be undone.", yes: yes)
      try await scope.print {
        try await $0.keys.revoke(tenant: $1, keyID, by: OperatorName.current)
      }
    }
  }

  /// Makes a key's successor.
  struct Rotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an API key's successor, and show it this once; the key itself goes on for a while.",
      discussion: """
        The successor has the same name and scopes, and lives as long as the key itself was to live, unless \
        --expires-in or --never-expires says otherwise. `registry key list` shows when the old key was last used, and so \
        whether everybody has changed over.
        """)

    @Argument(help: "The id of the key to replace.", transform: UUIDArgument.parse)
    var keyID: UUID

    @Option(
      help: ArgumentHelp("How long the key goes on beside its successor; at most 90d.", valueName: "time"))
    var overlap: DurationArgument?

    @Flag(name: .long, help: "End the key at once, without an overlap.")
    var immediately = false

    @Flag(name: .long, help: "Do not ask before a key is ended at once.")
    var yes = false

    @Option(
      help: ArgumentHelp("How long the successor holds; without it as long as the key was to hold.", valueName: "time"))
    var expiresIn: DurationArgument?

    @Flag(name: .long, help: "Let the successor hold for ever.")
    var neverExpires = false

    @OptionGroup var scope: TenantScope

    func validate() throws {
      guard !immediately || overlap == nil else { throw ValidationError("Give --overlap or --immediately.") }
      guard !neverExpires || expiresIn == nil else { throw ValidationError("Give --expires-in or --never-expires.") }
    }

    func run() async throws {
      if immediately {
        try Confirmation.require(
          "End the API key \(keyID.text) of \(scope.tenant) at once? Whoever uses it is refused.", yes: yes)
      }
      let expiry =
        expiresIn.map { SuccessorExpiry.at(Date.now.addingTimeInterval($0.duration.inSeconds)) }
        ?? (neverExpires ? .never : .asBefore)
      try await scope.print {
        try await $0.keys.rotate(
          tenant: $1, keyID, overlap: immediately ? .zero : overlap?.duration ?? .seconds(86_400),
          expiry: expiry, by: OperatorName.current)
      }
      Progress.say("The key is shown only now. Keep it where secrets are kept.")
    }
  }
}

/// Who runs a command, for the audit.
enum OperatorName {
  /// The account that runs the command.
  static var current: String { "operator:\(NSUserName())" }
}

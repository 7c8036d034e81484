import Foundation
import Testing

/// `event ingest`: events of a trusted channel, from standard input and from files.
@Suite(.timeLimit(.minutes(20))) struct EventIngestCommandTests {
  private static func line(_ user: String) -> String {
    #"{"emitted_at":"2026-01-02T03:04:05Z","event":\#(SignedWebhook.success(userID: user))}"# + "\n"
  }

  private static func ingest(
    _ deployment: Deployment, _ arguments: [String], input: String = ""
  ) async throws -> CommandLineTool.Outcome {
    try await CommandLineTool.run(
      ["event", "ingest", "--tenant", "acme", "--format", "json"] + arguments, database: deployment.database,
      input: input)
  }

  @Test func takesLinesFromStandardInputAndFromAFile() async throws {
    let deployment = try await Deployment.make()
    let input = Self.line("u1") + "\n" + Self.line("u2") + Self.line("u1")
    let piped = try await Self.ingest(deployment, ["--channel", "sqs"], input: input)
    #expect(piped.code == 0, "\(piped.errors)")
    let counts = try piped.json()
    #expect(["lines", "accepted", "duplicates", "refused"].map { counts[$0] as? Int } == [3, 2, 1, 0])
    let file = "/tmp/registry-ingest-\(UUID().uuidString.lowercased()).ndjson"
    defer { try? FileManager.default.removeItem(atPath: file) }
    // The last line has no end.
    try String(Self.line("u3").dropLast()).write(toFile: file, atomically: true, encoding: .utf8)
    let read = try await Self.ingest(deployment, [file, "--channel", "s3"])
    #expect(try read.code == 0 && read.json()["accepted"] as? Int == 1, "\(read.errors)")
    let live = try await deployment.items(["connection", "list"]).compactMap { $0["user_id"] as? String }
    #expect(Set(live) == ["u1", "u2", "u3"])
    let channels = try await deployment.items(["event", "list"]).compactMap { $0["channel"] as? String }
    #expect(channels.sorted() == ["trusted:s3", "trusted:sqs", "trusted:sqs"])
  }

  /// The others are taken in.
  @Test func aLineThatCannotBeReadIsToldByItsNumber() async throws {
    let deployment = try await Deployment.make()
    let input = Self.line("u1") + "{\"event\": whom-nobody-may-see\n" + Self.line("u2")
    let partly = try await Self.ingest(deployment, ["-", "--channel", "sqs"], input: input)
    #expect(partly.code == 2 && partly.errors.contains("1 of 3 lines could not be taken in"), "\(partly.errors)")
    let counts = try partly.json()
    #expect(counts["accepted"] as? Int == 2)
    let refusals = try #require(counts["refusals"] as? [[String: Any]])
    #expect(refusals.count == 1 && refusals[0]["line"] as? Int == 2)
    #expect(!(partly.output + partly.errors).contains("whom-nobody-may-see"))
    #expect(try await deployment.items(["connection", "list"]).count == 2)
    // More than a pipe holds: nobody reads it.
    let unread = String(repeating: Self.line("u9"), count: 1000)
    for (arguments, code) in [
      (["--channel", "S Q S"], 64), ([], 64), (["/nowhere.ndjson", "--channel", "s3"], 64),
    ] as [([String], Int32)] {
      let refused = try await Self.ingest(deployment, arguments, input: unread)
      #expect(refused.code == code && refused.output.isEmpty, "\(arguments): \(refused.code) \(refused.errors)")
    }
    #expect(try await deployment.count("registry.auth_event") == 2)
  }
}

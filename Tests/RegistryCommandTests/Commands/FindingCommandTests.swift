import Foundation
import TerraSandbox
import Testing

/// What an operator says about findings: `finding acknowledge` and `finding undo`.
@Suite(.timeLimit(.minutes(20))) struct FindingCommandTests {
  private static let nobodys = "01939f6e-7a1c-7c3e-9d2f-5b8a4e6f0c11"

  private static func finding(_ deployment: Deployment, _ arguments: [String]) async throws -> CommandLineTool.Outcome {
    try await CommandLineTool.run(
      ["finding"] + arguments + ["--tenant", "acme", "--format", "json"], database: deployment.database)
  }

  @Test func anAcknowledgementSaysWhoWhyAndUntilWhen() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { try await $0.forgeCallback() }
    _ = try await CommandLineTool.json(["reconcile", "run", "--tenant", "acme"], database: deployment.database)
    let id = try #require(try await deployment.items(["finding", "list"]).first?["id"] as? String)
    let taken = try await Self.finding(
      deployment, ["acknowledge", id, "--by", "ann", "--reason", "a test of ours", "--for", "48h"])
    #expect(taken.code == 0, "\(taken.errors)")
    let shown = try taken.json()
    #expect(shown["status"] as? String == "acknowledged" && shown["id"] as? String == id)
    let words = try #require(shown["acknowledgement"] as? [String: Any])
    #expect(words["by"] as? String == "ann" && words["reason"] as? String == "a test of ours")
    func time(hours: Double) -> String { Date().addingTimeInterval(hours * 3_600).formatted(.iso8601) }
    let until = try #require(words["until"] as? String)
    #expect((time(hours: 47)...time(hours: 49)).contains(until))
    #expect(try await deployment.items(["finding", "list", "--status", "open"]).isEmpty)
    // When the time is over it is open again.
    try await deployment.letPass(seconds: 49 * 3_600)
    #expect(try await deployment.items(["finding", "list", "--status", "open"]).count == 1)
    for (arguments, code) in [
      ([id], 64), ([id, "--reason", ""], 64), ([id, "--reason", "x", "--for", "ever"], 64),
      ([id, "--reason", "x", "--by", "ann\n"], 64), (["no-id", "--reason", "x"], 64),
      ([Self.nobodys, "--reason", "x"], 2),
    ] as [([String], Int32)] {
      let refused = try await Self.finding(deployment, ["acknowledge"] + arguments)
      #expect(refused.code == code && refused.output.isEmpty, "\(arguments): \(refused.code) \(refused.errors)")
    }
    #expect(try await deployment.items(["finding", "list", "--status", "open"]).count == 1)
  }

  @Test func aRepairIsUndoneWhereTerraAllowsIt() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      // Terra knows two connections that nobody has told of, and a repair makes them good.
      var users: [String] = []
      for number in 1...2 {
        users.append(
          try await sandbox.connectOutsideSession(
            tenant: "acme", referenceID: "person-\(number)", resource: "GARMIN", account: "account-\(number)"))
      }
      // Of a third one an event has spoken, too: Terra, which knows it, is asked with the right key.
      let witness = try await sandbox.connectOutsideSession(
        tenant: "acme", referenceID: "person-3", resource: "GARMIN", account: "account-3")
      let success = SignedWebhook.success(userID: witness, referenceID: "person-3")
      let event = #"{"emitted_at":"2026-01-02T03:04:05Z","event":\#(success)}"#
      let ingested = try await CommandLineTool.run(
        ["event", "ingest", "--tenant", "acme", "--channel", "sqs"], database: deployment.database, input: event)
      #expect(ingested.code == 0, "\(ingested.errors)")
      let repair = ["reconcile", "run", "--tenant", "acme", "--provider", "--repair", "safe"]
      _ = try await CommandLineTool.json(repair, database: deployment.database)
      try await deployment.letPass(seconds: 700)
      _ = try await CommandLineTool.json(repair, database: deployment.database)
      let repaired = try await deployment.items(["finding", "list", "--status", "repaired"])
      func id(of user: String) throws -> String {
        let finding = repaired.first { ($0["subject"] as? [String: Any])?["id"] as? String == user }
        #expect((finding?["repair"] as? [String: Any])?["act"] as? String == "confirmed")
        return try #require(finding?["id"] as? String, "\(repaired)")
      }
      let (gone, alive) = (try id(of: users[0]), try id(of: users[1]))
      #expect(try await deployment.items(["connection", "list"]).count == 3)
      try await sandbox.deauthenticate(tenant: "acme", userID: users[0])

      let undone = try await Self.finding(deployment, ["undo", gone, "--by", "ann", "--reason", "it was mine"])
      #expect(undone.code == 0, "\(undone.errors)")
      let shown = try undone.json()
      #expect(shown["status"] as? String == "open")
      #expect((shown["repair"] as? [String: Any])?["act"] as? String == "undone")
      let live = try await deployment.items(["connection", "list"]).compactMap { $0["user_id"] as? String }
      #expect(Set(live) == [users[1], witness])
      for (arguments, code, word) in [
        ([alive, "--reason", "x"], 2, "deauthenticate"), ([gone, "--reason", "x"], 2, "nothing to undo"),
        ([alive], 64, "--reason"), ([Self.nobodys, "--reason", "x"], 2, "finding"),
        (["no-id", "--reason", "x"], 64, "id"),
      ] as [([String], Int32, String)] {
        let refused = try await Self.finding(deployment, ["undo"] + arguments)
        #expect(refused.code == code && refused.output.isEmpty, "\(arguments): \(refused.code) \(refused.errors)")
        #expect(refused.errors.contains(word), "\(refused.errors)")
      }
    }
  }
}

import Foundation
import TerraSandbox
import Testing

/// What an operator says and does about findings: `finding acknowledge`, `finding repair` and `finding undo`.
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

  @Test func oneFindingIsRepairedWhereTerraProvesIt() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      try await deployment.serve { try await $0.forgeCallback() }
      // Terra knows two connections that nobody has told of, and one of them no more when it is asked about it.
      var users: [String] = []
      for number in 1...2 {
        users.append(
          try await sandbox.connectOutsideSession(
            tenant: "acme", referenceID: "person-\(number)", resource: "GARMIN", account: "account-\(number)"))
      }
      let run = ["reconcile", "run", "--tenant", "acme", "--provider"]
      _ = try await CommandLineTool.json(run, database: deployment.database)
      try await deployment.letPass(seconds: 700)
      _ = try await CommandLineTool.json(run, database: deployment.database)
      let open = try await deployment.items(["finding", "list"])
      func id(of subject: String?, _ kind: String) throws -> String {
        let finding = open.first {
          $0["kind"] as? String == kind
            && (subject == nil || ($0["subject"] as? [String: Any])?["id"] as? String == subject)
        }
        return try #require(finding?["id"] as? String, "\(open)")
      }
      let (alive, gone) = (try id(of: users[0], "missing_locally"), try id(of: users[1], "missing_locally"))
      let forged = try id(of: nil, "unknown_attempt")
      await sandbox.waitUntilIdle()
      try await sandbox.deauthenticate(tenant: "acme", userID: users[1])

      // A dry run asks Terra, says what would be done, and does nothing.
      let planned = try await Self.finding(deployment, ["repair", alive, "--dry-run"])
      #expect(planned.code == 0, "\(planned.errors)")
      let plan = try planned.json()
      #expect(plan["act"] as? String == "confirmed" && plan["correction_id"] == nil, "\(plan)")
      #expect(plan["finding_id"] as? String == alive && plan["user_id"] as? String == users[0])
      #expect(try await deployment.items(["connection", "list"]).isEmpty)
      let refused = try await Self.finding(deployment, ["repair", gone, "--dry-run"])
      #expect(refused.code == 2, "\(refused.errors)")
      #expect(try refused.json()["act"] as? String == "left", "\(refused.output)")
      #expect(try await deployment.count("registry.correction") == 0)
      #expect(try await deployment.count("registry.finding WHERE repair_act IS NOT NULL") == 0)

      let repaired = try await Self.finding(deployment, ["repair", alive, "--by", "ann"])
      #expect(repaired.code == 0, "\(repaired.errors)")
      let done = try repaired.json()
      #expect(done["act"] as? String == "confirmed" && done["correction_id"] is String, "\(done)")
      let live = try await deployment.items(["connection", "list"]).compactMap { $0["user_id"] as? String }
      #expect(live == [users[0]])
      let audit = try await deployment.execute(
        "SELECT actor, action, subject = '\(alive)' FROM registry.audit_entry WHERE action LIKE 'finding.%'")
      #expect(audit.trimmingCharacters(in: .whitespacesAndNewlines) == "ann|finding.repair|t")
      let closed = try await deployment.items(["finding", "list", "--status", "repaired"])
      #expect(closed.compactMap { $0["id"] as? String } == [alive])

      // What cannot be proved is left, printed with why, and kept with the finding.
      for (id, word) in [(gone, "does not know it"), (forged, "No answer of Terra's")] {
        let left = try await Self.finding(deployment, ["repair", id])
        #expect(left.code == 2, "\(left.errors)")
        let told = try left.json()
        #expect(told["act"] as? String == "left" && (told["reason"] as? String)?.contains(word) == true, "\(told)")
      }
      let shown = try await CommandLineTool.json(
        ["finding", "show", gone, "--tenant", "acme"], database: deployment.database)
      let words = (shown["finding"] as? [String: Any])?["repair"] as? [String: Any]
      #expect(words?["act"] as? String == "left" && (words?["reason"] as? String)?.contains("does not know it") == true)
      // The listing that held it stands beside it.
      let said = try #require((shown["listings"] as? [[String: Any]])?.first, "\(shown)")
      #expect(said["is_listed"] as? Bool == true && said["reference_id"] as? String == "person-2")
      #expect(said["asked_at"] is String)

      for (arguments, code, word) in [
        ([alive], 2, "nothing to repair"), ([Self.nobodys], 2, "finding"), (["no-id"], 64, "id"),
        ([], 64, "finding-id"), ([gone, "--by", "ann\n"], 64, "by"),
      ] as [([String], Int32, String)] {
        let refused = try await Self.finding(deployment, ["repair"] + arguments)
        #expect(refused.code == code && refused.output.isEmpty, "\(arguments): \(refused.code) \(refused.errors)")
        #expect(refused.errors.contains(word), "\(refused.errors)")
      }
      _ = try await CommandLineTool.json(["tenant", "update", "acme", "--shadow"], database: deployment.database)
      let shadow = try await Self.finding(deployment, ["repair", gone])
      #expect(shadow.code == 2 && shadow.errors.contains("--no-shadow"), "\(shadow.errors)")
      #expect(try await deployment.items(["connection", "list"]).count == 1)
    }
  }
}

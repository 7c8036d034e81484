import Foundation
import Testing

/// What commands end with when nobody reads what they print.
@Suite(.timeLimit(.minutes(20))) struct UnreadOutputTests {
  @Test func ofAListOneMayHaveSeenEnough() async throws {
    let deployment = try await Deployment.make()
    for arguments in [
      ["tenant", "list"], ["key", "list", "--tenant", "acme"], ["embedder", "list", "--tenant", "acme"],
      ["migrate", "status"], ["finding", "list", "--tenant", "acme", "--all", "--format", "json"],
    ] {
      let list = try await CommandLineTool.runUnread(arguments, database: deployment.database)
      #expect(list.code == 0 && list.errors.isEmpty, "\(arguments): \(list.code) \(list.errors)")
    }
  }

  @Test func aSecretThatNobodySawIs2() async throws {
    let deployment = try await Deployment.make()
    let made = try await CommandLineTool.runUnread(
      ["key", "create", "--tenant", "acme", "--name", "lost", "--scope", "connections:read"],
      database: deployment.database)
    #expect(made.code == 2 && made.errors.contains("What was done stands"), "\(made.code) \(made.errors)")
    #expect(try await deployment.count("registry.api_key") == 1)
    let keyID = try #require(try await deployment.items(["key", "list"]).first?["key_id"] as? String)
    for arguments in [["key", "rotate", keyID], ["endpoint", "add", "http://127.0.0.1:9/deliveries"]] {
      let shown = try await CommandLineTool.runUnread(
        arguments + ["--tenant", "acme"], database: deployment.database,
        environment: ["REGISTRY_DELIVERY_ALLOW": "127.0.0.1"])
      #expect(shown.code == 2, "\(arguments): \(shown.code) \(shown.errors)")
    }
  }

  @Test func aVerdictIsToldAllTheSame() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      let answer = try await service.send("GET", "/callbacks/terra/acme/forged/success?user_id=u1")
      #expect(answer.status == 404)
    }
    for (arguments, code) in [
      (["reconcile", "run"], 0), (["reconcile", "run", "--fail-on", "critical"], 1), (["reconcile", "show"], 2),
      (["reconcile", "show", "--fail-on", "critical"], 1), (["finding", "list", "--all"], 0),
      (["finding", "list", "--all", "--fail-on", "critical"], 1),
      (["finding", "list", "--all", "--format", "ndjson", "--fail-on", "info"], 1),
      (["finding", "list", "--kind", "stale_session", "--fail-on", "info"], 0),
    ] as [([String], Int32)] {
      let told = try await CommandLineTool.runUnread(arguments + ["--tenant", "acme"], database: deployment.database)
      #expect(told.code == code, "\(arguments): \(told.code) \(told.errors)")
    }
  }

  /// Not with a trap, as `FileHandle.write(_:)` would.
  @Test func whereNobodyReadsErrorsTheExitCodeStands() async throws {
    let deployment = try await Deployment.make()
    for (arguments, code) in [
      (["finding", "show", UUID().uuidString, "--tenant", "acme"], 2), (["key", "list", "--tenant", "acme"], 0),
      (["key", "create", "--tenant", "acme", "--name", "lost", "--scope", "connections:read"], 2),
      (["endpoint", "remove", UUID().uuidString, "--tenant", "acme"], 64),
    ] as [([String], Int32)] {
      let outcome = try await CommandLineTool.runUnread(
        arguments, database: deployment.database, environment: ["REGISTRY_LOG_LEVEL": "trace"], isErrorRead: false)
      #expect(outcome.code == code, "\(arguments): \(outcome.code)")
    }
    let absent = try await CommandLineTool.runUnread(
      ["tenant", "list"], database: "postgres://nobody@127.0.0.1:9/none?connect_timeout=2", isErrorRead: false)
    #expect(absent.code == 69)
  }
}

import Foundation
import TestDatabase
import Testing

@Suite(.timeLimit(.minutes(20))) struct SetUpTests {
  @Test(.database) func migratesOnce() async throws {
    let plan = try await CommandLineTool.json(["migrate", "plan"])
    let pending = try #require(plan["items"] as? [[String: Any]])
    #expect(pending.first?["name"] as? String == "tenancy")
    #expect(pending.allSatisfy { $0["state"] as? String == "pending" })

    let applied = try await CommandLineTool.json(["migrate", "apply"])
    #expect((applied["items"] as? [Any])?.count == pending.count)
    let again = try await CommandLineTool.run(["migrate", "apply"])
    #expect(again.code == 0)
    #expect(again.output == "Nothing to do: the schema is up to date.\n")

    let status = try await CommandLineTool.run(["migrate", "status"])
    #expect(status.code == 0)
    let lines = status.output.split(separator: "\n")
    #expect(lines.first?.hasPrefix("number  name") == true, "\(status.output)")
    #expect(lines.dropFirst().allSatisfy { $0.contains("  applied  ") })
    #expect(try await CommandLineTool.run(["migrate", "validate"]).code == 0)
  }

  /// Two first runs at once: both end well, and every migration has run once.
  @Test(.database) func migratesFromTwoProcessesAtOnce() async throws {
    let database = TestDatabase.current
    async let first = CommandLineTool.run(["migrate", "apply"], database: database)
    async let second = CommandLineTool.run(["migrate", "apply"], database: database)
    let codes = try await [first.code, second.code]
    #expect(codes == [0, 0])
    #expect(try await CommandLineTool.run(["migrate", "validate"], database: database).code == 0)
  }

  @Test func secretsComeFromFilesAndInputNeverFromArguments() async throws {
    let database = try await TestDatabase.shared.migratedDatabase()
    let file = "/tmp/registry-secret-\(UUID().uuidString)"
    try Data("words-of-the-destination\n".utf8).write(to: URL(filePath: file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    let arguments = [
      "tenant", "create", "acme", "--dev-id", "d", "--return-url", "https://app.acme.io/devices",
    ]
    let none = try await CommandLineTool.run(arguments, database: database)
    #expect(none.code == 64)
    #expect(none.errors.contains("--terra-api-key-file") && none.errors.contains("REGISTRY_TENANT_TERRA_API_KEY"))

    let made = try await CommandLineTool.run(
      arguments + [
        "--terra-api-key-file", "-", "--signing-secret-file", file, "--provider-every", "12h", "--repair", "safe",
      ], database: database, input: "words-of-the-key\n")
    #expect(made.code == 0, "\(made.errors)")
    let shown = try await CommandLineTool.run(["tenant", "show", "acme", "--format", "ndjson"], database: database)
    #expect(shown.output.contains(#""provider_every_seconds":43200"#), "\(shown.output)")
    #expect(shown.output.contains(#""repair":"safe""#), "\(shown.output)")
    #expect(!made.output.contains("words-of"))

    let update = ["tenant", "update", "acme", "--format", "ndjson"]
    let source = try await CommandLineTool.run(
      update + ["--terra-users-url-file", "-"], database: database,
      input: "postgres://reader:hunter2@db.example/terra\n")
    #expect(source.code == 0 && source.output.contains(#""copies_terra_users":true"#), "\(source.errors)")
    #expect(!(source.output + source.errors).contains("hunter2") && !source.output.contains("db.example"))
    let both = try await CommandLineTool.run(
      update + ["--terra-users-url-file", file, "--no-terra-users"], database: database)
    #expect(both.code == 64)
    #expect(try await CommandLineTool.run(update + ["--no-terra-users"], database: database).code == 64)
    let ended = try await CommandLineTool.run(update + ["--no-terra-users", "--yes"], database: database)
    #expect(ended.code == 0 && ended.output.contains(#""copies_terra_users":false"#), "\(ended.errors)")

    let twice = try await CommandLineTool.run(
      arguments + ["--terra-api-key-file", "-", "--signing-secret-file", file], database: database, input: "api-key\n")
    #expect(twice.code == 2)
    let empty = try await CommandLineTool.run(
      arguments + ["--terra-api-key-file", "-", "--signing-secret-file", file], database: database, input: "\n")
    #expect(empty.code == 64)
  }

  @Test(arguments: [
    ["--environment", "moon"], ["--return-url", "javascript:alert(1)"], ["--return-url", "http://app.acme.io/"],
    ["--grace", "soon"], ["--terra-base-url", "nowhere"], ["--provider-every", "30s"], ["--repair", "all"],
  ])
  func refusesWhatATenantCannotBe(arguments: [String]) async throws {
    let database = try await TestDatabase.shared.migratedDatabase()
    let outcome = try await CommandLineTool.run(
      ["tenant", "create", "acme", "--dev-id", "d", "--return-url", "https://app.acme.io/devices"] + arguments,
      database: database,
      environment: ["REGISTRY_TENANT_TERRA_API_KEY": "k", "REGISTRY_TENANT_SIGNING_SECRET": "s"])
    #expect([2, 64].contains(outcome.code), "\(outcome.errors)")
    #expect(try await CommandLineTool.run(["tenant", "show", "acme"], database: database).code == 2)
  }

  @Test func keysAreShownOnce() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    #expect(key.hasPrefix("crk_"))
    let list = try await CommandLineTool.run(["key", "list", "--tenant", "acme"], database: deployment.database)
    #expect(!list.output.contains(key))
    #expect(list.output.contains("connections:read, sessions:write"))
  }

  @Test func printsListsInEveryFormat() async throws {
    let deployment = try await Deployment.make()
    try await deployment.addTenant("globex")
    func tenants(_ arguments: String...) async throws -> String {
      let outcome = try await CommandLineTool.run(["tenant", "list"] + arguments, database: deployment.database)
      #expect(outcome.code == 0, "\(outcome.errors)")
      return outcome.output
    }
    let table = try await tenants().split(separator: "\n").map(String.init)
    #expect(table.count == 3)
    #expect(table[0].hasPrefix("slug    environment  dev id"))
    #expect(table[1].hasPrefix("acme    testing      acme-dev-id    no      "), "\(table)")
    #expect(!table.joined().contains("\u{1b}"), "colour, although nobody watches")

    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(try await tenants("--format", "json").utf8)) as? [String: Any])
    #expect((json["items"] as? [[String: Any]])?.compactMap { $0["slug"] as? String } == ["acme", "globex"])
    #expect(json["next_cursor"] is NSNull)

    let first = try #require(
      try JSONSerialization.jsonObject(with: Data(try await tenants("--format", "json", "--limit", "1").utf8))
        as? [String: Any])
    let cursor = try #require(first["next_cursor"] as? String)
    let second = try await tenants("--format", "ndjson", "--limit", "1", "--cursor", cursor)
    #expect(second.contains(#""slug":"globex""#))
    #expect(second.split(separator: "\n").count == 1)

    let csv = try await tenants("--format", "csv")
    #expect(csv.hasPrefix("slug,environment,dev_id,shadow,created_at,disabled_at\r\nacme,testing,acme-dev-id,no,"))
  }
}

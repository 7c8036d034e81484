import Foundation
import TestDatabase
import Testing

/// The change feed, keys and lists' filters on the command line.
@Suite(.database) struct ChangeCommandTests {
  private static func connect(_ deployment: Deployment, _ users: [String]) async throws {
    try await deployment.serve { service in
      for user in users {
        let webhook = SignedWebhook(
          SignedWebhook.success(userID: user, referenceID: "person-\(user)"), secret: Deployment.secret)
        let answer = try await service.deliver(webhook)
        #expect(answer.status == 200)
      }
    }
  }

  private static func lines(_ output: String) throws -> [[String: Any]] {
    try output.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  @Test func changesAreListedGoneOnWithAndFollowed() async throws {
    let deployment = try await Deployment.make()
    try await Self.connect(deployment, ["u1", "u2", "u3"])
    func change(_ arguments: String...) async throws -> CommandLineTool.Outcome {
      try await CommandLineTool.run(["change"] + arguments + ["--tenant", "acme"], database: deployment.database)
    }
    // Waits for all three: changes are held back while older transactions of any database of the cluster are open.
    let csv = try await change("follow", "--limit", "3", "--format", "csv")
    #expect(csv.output.split(whereSeparator: \.isNewline).count == 4, "\(csv.output)")
    let all = try Self.lines(try await change("list", "--format", "ndjson").output)
    #expect(all.compactMap { $0["user_id"] as? String } == ["u1", "u2", "u3"])
    let first = try #require(all.first?["cursor"] as? String)
    let rest = try Self.lines(try await change("list", "--cursor", first, "--format", "ndjson").output)
    #expect(rest.compactMap { $0["user_id"] as? String } == ["u2", "u3"])
    let table = try await change("list", "--limit", "2")
    #expect(table.output.contains("u2") && !table.output.contains("u3") && table.output.contains("and more"))
    // What a consumer has printed does not come again.
    let begun = try Self.lines(
      try await change("follow", "--consumer", "mirror", "--limit", "1", "--format", "json").output)
    let went = try Self.lines(
      try await change("follow", "--consumer", "mirror", "--limit", "2", "--format", "ndjson").output)
    #expect((begun + went).compactMap { $0["user_id"] as? String } == ["u1", "u2", "u3"])
    #expect(try await change("follow", "--now", "--after", first).code == 64)
    #expect(try await change("list", "--cursor", "x").code == 64)
  }

  @Test func listsTakeTheFiltersOfTheAPI() async throws {
    let deployment = try await Deployment.make()
    try await Self.connect(deployment, ["u1", "u2"])
    let future = "2999-01-01T00:00:00Z"
    for noun in ["event", "key", "session", "finding", "delivery", "callback"] {
      let all = try await deployment.items([noun, "list"]).count
      #expect(try await deployment.items([noun, "list", "--until", future]).count == all, "\(noun)")
      #expect(try await deployment.items([noun, "list", "--since", future]).isEmpty, "\(noun)")
    }
    #expect(try await deployment.items(["event", "list", "--reference-id", "person-u1"]).count == 1)
    #expect(try await deployment.items(["event", "list", "--resource", "nobody"]).isEmpty)
    #expect(try await deployment.items(["connection", "list", "--created-until", future]).count == 2)
    #expect(try await deployment.items(["connection", "list", "--updated-since", future]).isEmpty)
    #expect(try await deployment.items(["connection", "list", "--stale-since", future]).count == 2)
    #expect(try await deployment.items(["app-user", "list", "--created-since", future]).isEmpty)
    let key = try await CommandLineTool.json(
      ["key", "create", "--name", "shown", "--scope", "admin", "--tenant", "acme"], database: deployment.database)
    let id = try #require((key["key"] as? [String: Any])?["key_id"] as? String)
    let shown = try await CommandLineTool.json(["key", "show", id, "--tenant", "acme"], database: deployment.database)
    #expect(shown["name"] as? String == "shown" && shown["secret"] == nil)
  }

  @Test func theVersionNamesTheReleaseAndItsSchema() async throws {
    let version = try await CommandLineTool.run(["--version"], database: nil)
    #expect(version.code == 0 && version.output.wholeMatch(of: #/registry \d+\.\d+\.\d+\S* \(schema \d+\)\n/#) != nil)
  }
}

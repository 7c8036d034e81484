import Foundation
import TestDatabase
import Testing

/// Keys that end and have successors, app users that are merged, tags: on the command line, with effect over HTTP.
@Suite(.database) struct KeyAndTagTests {
  @Test func aKeyIsRotatedWithAnOverlapAndThenRevoked() async throws {
    let deployment = try await Deployment.make()
    func command(_ arguments: String...) async throws -> [String: Any] {
      try await CommandLineTool.json(["key"] + arguments + ["--tenant", "acme"], database: deployment.database)
    }
    let made = try await command("create", "--name", "backend", "--scope", "connections:read")
    let (key, secret) = (made["key"] as? [String: Any], try #require(made["secret"] as? String))
    let id = try #require(key?["key_id"] as? String)
    func first(_ name: String) async throws -> String? {
      try await deployment.items(["key", "list"]).first?[name] as? String
    }
    try await deployment.serve { service in
      func status(_ secret: String) async throws -> Int {
        try await service.api("GET", "/v1/connections", key: secret).status
      }
      #expect(try await first("last_used_at") == nil)
      #expect(try await status(secret) == 200)
      let successor = try await command("rotate", id, "--overlap", "1h")
      let next = try #require(successor["secret"] as? String)
      #expect((successor["key"] as? [String: Any])?["scopes"] as? [String] == ["connections:read"])
      #expect(try await status(secret) == 200)
      #expect(try await status(next) == 200)
      #expect(try await first("expires_at") != nil)
      let unasked = try await CommandLineTool.run(
        ["key", "revoke", id, "--tenant", "acme"], database: deployment.database)
      #expect(unasked.code == 64)
      #expect(try await status(secret) == 200)
      let revoked = try await command("revoke", id, "--yes")
      #expect(revoked["revoked_at"] != nil)
      #expect(try await status(secret) == 401)
      #expect(try await status(next) == 200)
      let ended = try await CommandLineTool.run(
        ["key", "rotate", id, "--tenant", "acme"], database: deployment.database)
      #expect(ended.code == 2 && ended.errors.contains("revoked or has ended"), "\(ended.errors)")
    }
    // Written beside the request; the end of the service waits for it.
    #expect(try await first("last_used_at") != nil)
    #expect(try await deployment.count("registry.audit_entry WHERE actor LIKE 'operator:%'") == 3)
  }

  @Test func anAppUserIsTaggedAndMerged() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      for person in ["anonymous", "signed-in"] {
        let webhook = SignedWebhook(
          SignedWebhook.success(userID: "u-\(person)", referenceID: person), secret: Deployment.secret)
        let answer = try await service.deliver(webhook)
        #expect(answer.status == 200)
      }
    }
    func command(_ arguments: String...) async throws -> [String: Any] {
      try await CommandLineTool.json(arguments + ["--tenant", "acme"], database: deployment.database)
    }
    for (noun, id) in [("app-user", "signed-in"), ("connection", "u-signed-in")] {
      _ = try await command(noun, "tag", id, "--set", "plan=pro", "--set", "gone=x")
      let tagged = try await command(noun, "tag", id, "--set", "note=a=b", "--remove", "gone")
      #expect(tagged["tags"] as? [String: String] == ["plan": "pro", "note": "a=b"])
      #expect(try await deployment.items([noun, "list", "--tag", "plan=pro"]).count == 1)
      #expect(try await deployment.items([noun, "list", "--tag", "plan=free"]).isEmpty)
      let nothing = try await CommandLineTool.run(
        [noun, "tag", id, "--tenant", "acme"], database: deployment.database)
      #expect(nothing.code == 64)
    }
    let merged = try await command("app-user", "merge", "anonymous", "--into", "signed-in", "--yes")
    #expect((merged["connections"] as? [Any])?.count == 2)
    #expect(try await deployment.items(["connection", "list", "--reference-id", "signed-in"]).count == 2)
    let people = try await deployment.items(["app-user", "list"])
    #expect(people.compactMap { $0["merged_into"] as? String } == ["signed-in"])
    let back = try await CommandLineTool.run(
      ["app-user", "merge", "signed-in", "--into", "anonymous", "--yes", "--tenant", "acme"],
      database: deployment.database)
    #expect(back.code == 2)
  }
}

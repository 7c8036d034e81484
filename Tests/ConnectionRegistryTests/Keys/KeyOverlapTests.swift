@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase
import Testing

/// A key that has a successor goes on for as long as was said, and no longer.
@Suite(.migratedDatabase) struct KeyOverlapTests {
  private static func status(_ http: HTTPStage, _ secret: String) async throws -> Int {
    try await http.send("GET", "/v1/connections", key: secret).status
  }

  @Test func theOldKeyEndsAfterTheOverlap() async throws {
    try await withHTTP { http in
      let keys = http.stage.registry.keys
      let old = try await keys.create(tenant: "acme", name: "backend", scopes: [.connectionsRead])
      let new = try await keys.rotate(
        tenant: "acme", old.key.keyID, overlap: .seconds(3_600), expiry: .asBefore, by: "tests")
      let end = try #require(try await keys.show(tenant: "acme", old.key.keyID).expiresAt)
      #expect(abs(end.timeIntervalSinceNow - 3_600) < 60)
      #expect(new.key.expiresAt == nil && new.key.scopes == [.connectionsRead])
      func letPass(seconds: Double) async throws {
        try await http.stage.owner.execute(
          """
          UPDATE registry.api_key SET created_at = created_at - make_interval(secs => $1),
            expires_at = expires_at - make_interval(secs => $1)
          """, [.double(seconds)])
      }
      #expect(try await Self.status(http, old.secret) == 200)
      try await letPass(seconds: 3_500)
      #expect(try await Self.status(http, old.secret) == 200)
      try await letPass(seconds: 200)
      #expect(try await Self.status(http, old.secret) == 401)
      #expect(try await Self.status(http, new.secret) == 200)
      // What has ended has no further successor, and does not come back with one.
      await expectError(.keyEnded) {
        _ = try await keys.rotate(tenant: "acme", old.key.keyID, overlap: .seconds(60), expiry: .asBefore, by: "tests")
      }
      #expect(try await Self.status(http, old.secret) == 401)
    }
  }

  @Test func withoutAnOverlapTheOldKeyEndsAtOnce() async throws {
    try await withHTTP { http in
      let keys = http.stage.registry.keys
      let old = try await keys.create(tenant: "acme", name: "backend", scopes: [.connectionsRead])
      #expect(try await Self.status(http, old.secret) == 200)
      let new = try await keys.rotate(tenant: "acme", old.key.keyID, overlap: .zero, expiry: .asBefore, by: "tests")
      #expect(try await Self.status(http, old.secret) == 401)
      #expect(try await Self.status(http, new.secret) == 200)
    }
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

@Suite struct APIKeyTextTests {
  static func key() -> APIKeyText {
    APIKeyText(tenantID: TenantID.of(slug: "acme"), random: (0..<32).map { _ in UInt8.random(in: .min ... .max) })
  }

  @Test func aKeyHasAFixedFormAndCarriesItsTenant() throws {
    for _ in 1...100 {
      let key = Self.key()
      #expect(key.text.wholeMatch(of: #/crk_[0-9A-Za-z]{70}/#) != nil)
      let read = try #require(APIKeyText(key.text))
      #expect(read.tenantID == TenantID.of(slug: "acme"))
    }
  }

  @Test func aMistypedKeyIsRefusedWithoutALook() {
    let text = Array(Self.key().text)
    for index in 4..<text.count {
      var wrong = text
      wrong[index] = wrong[index] == "A" ? "B" : "A"
      #expect(APIKeyText(String(wrong)) == nil)
    }
    let all = String(text)
    for wrong in [
      "", "crk_", all + "0", String(all.dropLast()), "CRK_" + all.dropFirst(4), all.replacing("crk_", with: "crk-"),
      "crk_" + String(repeating: "z", count: 70), "crk_" + String(repeating: "é", count: 35),
    ] {
      #expect(APIKeyText(wrong) == nil)
    }
  }
}

@Suite(.migratedDatabase) struct APIKeyTests {
  @Test func aKeyGivesItsTenantAndScopes() async throws {
    try await withStage { stage in
      let made = try await stage.registry.keys.create(tenant: "acme", name: "backend", scopes: [.sessionsWrite])
      let grant = try await stage.registry.keys.authenticate(made.secret)
      #expect(grant.tenant == "acme")
      #expect(grant.keyID == made.key.keyID)
      #expect(throws: Never.self) { try grant.require(.sessionsWrite) }
      expectError(.forbidden) { try grant.require(.findingsRead) }
      let stored = try await stage.texts("SELECT encode(key_sha256, 'hex') FROM registry.api_key")
      #expect(stored == [Fingerprint.hex(Fingerprint.sha256(made.secret.utf8))])
      await stage.registry.keys.uses.settle()
      let listed = try await stage.registry.keys.list(tenant: "acme")
      #expect(listed.map(\.name) == ["backend"])
      #expect(listed.first?.lastUsedAt != nil)
    }
  }

  @Test func unknownExpiredAndRevokedKeysGetOneAnswer() async throws {
    try await withStage { stage in
      let expired = try await stage.registry.keys.create(
        tenant: "acme", name: "old", scopes: [.admin], expiresAt: Date().addingTimeInterval(3_600))
      try await stage.owner.execute(
        "UPDATE registry.api_key SET created_at = now() - interval '1 day', expires_at = now() WHERE key_id = $1",
        [.uuid(expired.key.keyID)])
      let revoked = try await stage.registry.keys.create(tenant: "acme", name: "revoked", scopes: [.admin])
      try await stage.owner.execute(
        "UPDATE registry.api_key SET revoked_at = now() WHERE key_id = $1", [.uuid(revoked.key.keyID)])
      var errors: Set<RegistryError> = []
      for secret in [expired.secret, revoked.secret, APIKeyTextTests.key().text, "nonsense", ""] {
        let error = await #expect(throws: RegistryError.self) { try await stage.registry.keys.authenticate(secret) }
        if let error { errors.insert(error) }
      }
      #expect(errors.map(\.code) == [.unauthenticated])
    }
  }

  @Test func aKeyEndsWithItsTenant() async throws {
    try await withStage { stage in
      let made = try await stage.registry.keys.create(tenant: "acme", name: "backend", scopes: [.admin])
      try await stage.owner.execute("UPDATE registry.tenant SET disabled_at = now()")
      await expectError(.unauthenticated) {
        _ = try await stage.registry.keys.authenticate(made.secret)
      }
    }
  }

  /// A rotation neither drops a key's end nor brings it nearer, unless it is told to.
  @Test func aSuccessorLivesAsLongAsItsKeyWasToLive() async throws {
    try await withHTTP { http in
      let stage = http.stage
      let admin = try await http.key(.admin)
      let day: TimeInterval = 86_400
      let key = try await stage.registry.keys.create(
        tenant: "acme", name: "backend", scopes: [.sessionsWrite], expiresAt: Date().addingTimeInterval(90 * day)
      ).key
      let endless = try await stage.registry.keys.create(tenant: "acme", name: "endless", scopes: [.admin]).key
      // Eighty days later.
      try await stage.owner.execute(
        "UPDATE registry.api_key SET created_at = created_at - $1 * interval '1 second', "
          + "expires_at = expires_at - $1 * interval '1 second' WHERE key_id = $2",
        [.double(80 * day), .uuid(key.keyID)])
      func end(_ id: UUID, _ json: String?) async throws -> Date? {
        let made = try await http.send("POST", "/v1/api-keys/\(id.text)/rotate", key: admin, json: json)
        #expect(made.status == 201, "\(made.text)")
        return try RegistryJSON.decoder().decode(NewAPIKey.self, from: made.body).key.expiresAt
      }
      // What a rotation does to the key itself is undone, so that each begins alike.
      let expires = try await stage.texts(
        "SELECT expires_at::text FROM registry.api_key WHERE key_id = $1", [.uuid(key.keyID)])[0]
      for json in [nil, "{}"] {
        let left = try #require(try await end(key.keyID, json)).timeIntervalSinceNow
        #expect(abs(left - 90 * day) < 60, "\(left)")
        try await stage.owner.execute(
          "UPDATE registry.api_key SET expires_at = $1::timestamptz WHERE key_id = $2",
          [.text(expires), .uuid(key.keyID)])
      }
      #expect(try await end(key.keyID, #"{"expires_at":null}"#) == nil)
      let told = try await end(key.keyID, #"{"expires_at":"2999-01-01T00:00:00Z"}"#)
      #expect(told == Date(timeIntervalSince1970: 32_472_144_000))
      #expect(try await end(endless.keyID, nil) == nil)
    }
  }
}

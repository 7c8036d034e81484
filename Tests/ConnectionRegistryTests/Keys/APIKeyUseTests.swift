@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryPostgres
import TestDatabase
import Testing

/// When a key was last used is written beside the request that uses it.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct APIKeyUseTests {
  @Test func aKeyHoldsWhileItsUseCannotBeWritten() async throws {
    try await withStage { stage in
      let keys = stage.registry.keys
      let made = try await keys.create(tenant: "acme", name: "backend", scopes: [.admin])
      try await stage.owner.withTransaction { transaction in
        // Keys can be read, and not be written.
        try await transaction.execute("LOCK TABLE registry.api_key IN SHARE MODE")
        for _ in 0..<20 { #expect(try await keys.authenticate(made.secret).keyID == made.key.keyID) }
        #expect(try await keys.list(tenant: "acme").first?.lastUsedAt == nil)
      }
      await keys.uses.settle()
      #expect(try await keys.list(tenant: "acme").first?.lastUsedAt != nil)
    }
  }

  /// However often it is used meanwhile.
  @Test func oneWriteOfAKeyIsUnderWayAtATime() async throws {
    try await withStage { stage in
      let made = try await stage.registry.keys.create(tenant: "acme", name: "backend", scopes: [.admin])
      let writes = NIOLockedValueBox(0)
      let (released, release) = AsyncStream.makeStream(of: Void.self)
      let gate = Task { for await _ in released { break } }
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      // Without lanes, in which the writes of one key would wait for one another.
      let uses = APIKeyUses(
        database: stage.database(
          through: stage.interfering(at: "api_key_used") {
            writes.withLockedValue { $0 += 1 }
            begin.yield()
            await gate.value
          }))
      let tenantID = TenantID.of(slug: "acme")
      let note = {
        uses.note(made.key.keyID, of: tenantID, sha256: .bytes(Fingerprint.sha256(made.secret.utf8)))
      }
      note()
      for await _ in begun { break }
      for _ in 0..<20 { note() }
      release.finish()
      await uses.settle()
      #expect(writes.withLockedValue { $0 } == 1, "more than one write of a key was under way")
      #expect(try await stage.registry.keys.list(tenant: "acme").first?.lastUsedAt != nil)
    }
  }

  @Test func aKeyHoldsWhenItsUseIsRefused() async throws {
    try await withStage { stage in
      let keys = stage.registry.keys
      let made = try await keys.create(tenant: "acme", name: "backend", scopes: [.admin])
      try await stage.owner.execute("REVOKE UPDATE ON registry.api_key FROM registry_service")
      for _ in 0..<3 {
        #expect(try await keys.authenticate(made.secret).keyID == made.key.keyID)
        await keys.uses.settle()
      }
      #expect(try await keys.list(tenant: "acme").first?.lastUsedAt == nil)
      try await stage.owner.execute("GRANT UPDATE ON registry.api_key TO registry_service")
      _ = try await keys.authenticate(made.secret)
      await keys.uses.settle()
      #expect(try await keys.list(tenant: "acme").first?.lastUsedAt != nil)
    }
  }
}

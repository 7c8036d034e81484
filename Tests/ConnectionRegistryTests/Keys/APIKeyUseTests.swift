@testable import ConnectionRegistry
import Foundation
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
        let waiting = "SELECT FROM pg_locks WHERE relation = 'registry.api_key'::regclass AND NOT granted"
        while try await stage.owner.execute(waiting).count < 1 { await Task.yield() }
        #expect(try await stage.owner.execute(waiting).count == 1, "more than one write of a key is under way")
        #expect(try await keys.list(tenant: "acme").first?.lastUsedAt == nil)
      }
      await keys.uses.settle()
      #expect(try await keys.list(tenant: "acme").first?.lastUsedAt != nil)
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

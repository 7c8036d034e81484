@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// The secrets that a tenant has at Terra are replaced without losing a webhook.
@Suite(.migratedDatabase) struct TenantSecretTests {
  private static func webhook(_ user: String, _ secret: String) -> Delivery {
    var webhook = Delivery(Payload.auth(user))
    webhook.secret = secret
    return webhook
  }

  @Test func bothSigningSecretsHoldUntilTheOverlapIsOver() async throws {
    try await withStage { stage in
      let old = Stage.signingSecret(of: "acme")
      _ = try await stage.registry.tenants.rotateSecrets("acme", signingSecret: "the new one")
      try await stage.expect(Self.webhook("u1", old), .accepted)
      try await stage.expect(Self.webhook("u2", "the new one"), .accepted)
      _ = try await stage.registry.tenants.rotateSecrets("acme", signingSecret: "the newest", overlap: .zero)
      try await stage.expect(Self.webhook("u3", old), .rejected)
      try await stage.expect(Self.webhook("u4", "the new one"), .rejected)
      try await stage.expect(Self.webhook("u5", "the newest"), .accepted)
    }
  }

  @Test func terrasNewKeyIsUsedAtOnce() async throws {
    try await withStage { stage in
      try await stage.sandbox.update(tenant: "acme") { $0.apiKey = "Terra's new key" }
      await expectError(.terraCredentialsRefused) { _ = try await stage.open("FITBIT") }
      _ = try await stage.registry.tenants.rotateSecrets("acme", terraAPIKey: "Terra's new key")
      #expect(try await stage.open("FITBIT").session.status == .open)
    }
  }

  @Test func whatCannotBeTakenIsRefusedAndChangesNothing() async throws {
    try await withStage { stage in
      let tenants = stage.registry.tenants
      let before = try await stage.count("tenant_secret")
      for (secret, overlap) in [
        (nil, Duration.zero), ("", .zero), ("a\nb", .zero), ("s", .seconds(-1)), ("s", .seconds(31 * 86_400)),
      ]
        as [(String?, Duration)]
      {
        await expectError(.invalidRequest) {
          _ = try await tenants.rotateSecrets("acme", signingSecret: secret, overlap: overlap)
        }
      }
      await expectError(.tenantUnknown) { _ = try await tenants.rotateSecrets("nobody", signingSecret: "s") }
      let after = try await stage.count("tenant_secret")
      #expect(before == after)
    }
  }

  @Test func aDisabledTenantIsOneThatDoesNotExistUntilItIsEnabledAgain() async throws {
    try await withStage { stage in
      let key = try await stage.registry.keys.create(tenant: "acme", name: "k", scopes: [.connectionsRead]).secret
      #expect(try await stage.registry.tenants.disable("acme").disabledAt != nil)
      try await stage.expect(Delivery(Payload.auth("u1")), .rejected)
      await expectError(.unauthenticated) { _ = try await stage.registry.keys.authenticate(key) }
      #expect(try await stage.registry.tenants.disable("acme", false).disabledAt == nil)
      try await stage.expect(Delivery(Payload.auth("u1")), .accepted)
      #expect(try await stage.registry.keys.authenticate(key).tenant == "acme")
    }
  }
}

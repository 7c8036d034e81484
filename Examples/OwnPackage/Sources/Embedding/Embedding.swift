import ConnectionRegistry
import Foundation
import Logging

/// Brings the schema up, makes a tenant, and asks what one person has connected.
///
///     APP_DATABASE_URL=… swift run --package-path Examples/OwnPackage Embedding
@main
struct Embedding {
  static func main() async throws {
    let configuration = ConnectionRegistry.Configuration(
      databaseURL: ProcessInfo.processInfo.environment["APP_DATABASE_URL"] ?? "", publicURL: "http://localhost:8080",
      masterKeys: try MasterKeyRing(MasterKeyRing.newKey()))
    let logger = Logger(label: "embedding")
    try await ConnectionRegistry.migrate(configuration, logger: logger)
    let registry = ConnectionRegistry(configuration: configuration, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await registry.run() }
      let tenant = try await registry.tenants.create(
        NewTenant(
          slug: "acme", environment: "testing", devID: "acme-dev-id", terraAPIKey: "acme-api-key",
          signingSecret: "acme-signing-secret", returnURLs: ["http://localhost:3000/"]))
      let connections = try await registry.connections.list(tenant: tenant.slug, referenceID: "person-1")
      print("person-1 of \(tenant.slug) has \(connections.count) connections")
      group.cancelAll()
    }
  }
}

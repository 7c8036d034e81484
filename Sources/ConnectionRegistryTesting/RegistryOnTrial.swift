public import ConnectionRegistry
public import Logging
public import TerraSandbox

/// A registry on a database of the test's own, with one tenant whose Terra is a stand-in: everything that a team's test
/// of its own code needs.
///
/// ```swift
/// try await RegistryOnTrial.with(databaseURL: "postgres:///app_test", tenant: "acme") { trial in
///   try await trial.deliver(.authenticated(.init(userID: "u1", referenceID: "person-1")))
///   #expect(try await devicesPage(of: "person-1", in: trial.registry).contains("Garmin"))
/// }
/// ```
public struct RegistryOnTrial: Sendable {
  /// The registry, at work.
  public let registry: ConnectionRegistry
  /// Terra's stand-in.
  public let terra: TerraStandIn
  /// The tenant's slug.
  public let tenant: String
  /// The tenant's signing secret.
  public let signingSecret: String

  /// Migrates a database, and runs a registry and a stand-in for as long as a closure runs.
  ///
  /// - Parameters:
  ///   - databaseURL: a database that only tests use; its login may create schemas and roles.
  ///   - tenant: the slug of a tenant that the database does not have yet.
  ///   - generation: which of Terra's generations sends webhooks.
  ///   - returnURLs: the URLs to which a browser may return.
  ///   - logger: where the registry reports.
  ///   - isolation: the caller's isolation.
  ///   - body: the test.
  /// - Returns: what the closure returns.
  /// - Throws: what the closure throws; `MigrationError`, `RegistryError` where the set-up fails.
  public static func with<Value: Sendable>(
    databaseURL: String, tenant: String, generation: SandboxGeneration = .access,
    returnURLs: [String] = ["http://localhost:3000/"],
    logger: Logger = Logger(label: "registry") { _ in SwiftLogNoOpLogHandler() },
    isolation: isolated (any Actor)? = #isolation, _ body: (RegistryOnTrial) async throws -> Value
  ) async throws -> Value {
    let environment = SandboxEnvironment(slug: tenant, generation: generation)
    return try await TerraStandIn.with(environments: [environment], logger: logger) { terra in
      let configuration = ConnectionRegistry.Configuration(
        databaseURL: databaseURL, publicURL: "http://localhost:8080",
        masterKeys: try MasterKeyRing(MasterKeyRing.newKey()))
      try await ConnectionRegistry.migrate(configuration, logger: logger)
      let registry = ConnectionRegistry(configuration: configuration, logger: logger)
      let run = Task { try await registry.run() }
      do {
        _ = try await registry.tenants.create(terra.tenant(tenant, returnURLs: returnURLs))
        let value = try await body(
          RegistryOnTrial(
            registry: registry, terra: terra, tenant: tenant, signingSecret: environment.signingSecret))
        run.cancel()
        _ = await run.result
        return value
      } catch {
        run.cancel()
        _ = await run.result
        throw error
      }
    }
  }

  /// Delivers a webhook as Terra does.
  ///
  /// - Parameters:
  ///   - event: what it says.
  ///   - generation: which of Terra's generations sends it.
  /// - Returns: what became of it.
  /// - Throws: `database_unavailable`.
  @discardableResult
  public func deliver(
    _ event: SignedWebhook.Event, generation: SandboxGeneration = .access
  ) async throws -> WebhookAnswer {
    let webhook = SignedWebhook(event, generation: generation, secret: signingSecret)
    return try await registry.webhooks.receive(tenant: tenant, headers: webhook.headers, body: webhook.body)
  }
}

public import ConnectionRegistry
public import Logging
// The sandbox's own types stand in what follows and in every test that uses it.
@_exported public import TerraSandbox

/// Terra's stand-in inside the test's process: Terra's API, its login pages and its signed webhooks.
///
/// ```swift
/// try await TerraStandIn.with(environments: [.init(slug: "acme")]) { terra in
///   _ = try await registry.tenants.create(terra.tenant("acme", returnURLs: ["https://app.example/devices"]))
///   …
/// }
/// ```
public struct TerraStandIn: Sendable {
  /// The sandbox: what happens at Terra is done with it, and stands in its ledger.
  public let sandbox: Sandbox
  /// Where it listens, such as `http://127.0.0.1:51234`.
  public let url: String
  private let environments: [SandboxEnvironment]

  /// Runs a stand-in on a free port for as long as a closure runs.
  ///
  /// - Parameters:
  ///   - environments: the environments at Terra, one per tenant.
  ///   - clock: the source of time and waiting, for retries and delays.
  ///   - logger: gets problems of the sandbox itself.
  ///   - isolation: the caller's isolation.
  ///   - body: uses it.
  /// - Returns: what the closure returns.
  /// - Throws: what the closure throws; `SandboxConfigurationError` for environments that cannot work.
  public static func with<Value: Sendable>(
    environments: [SandboxEnvironment] = [SandboxEnvironment(slug: "acme")], clock: any SandboxClock = WallClock(),
    logger: Logger = Logger(label: "terra") { _ in SwiftLogNoOpLogHandler() },
    isolation: isolated (any Actor)? = #isolation, _ body: (TerraStandIn) async throws -> Value
  ) async throws -> Value {
    let sandbox = try Sandbox(configuration: .init(environments: environments), clock: clock, logger: logger)
    let run = Task { try await sandbox.run() }
    do {
      let port = try await sandbox.boundPort()
      let value = try await body(
        TerraStandIn(sandbox: sandbox, url: "http://127.0.0.1:\(port)", environments: environments))
      run.cancel()
      _ = await run.result
      return value
    } catch {
      run.cancel()
      _ = await run.result
      throw error
    }
  }

  /// A tenant that calls this stand-in, to be given to `registry.tenants.create`.
  ///
  /// - Parameters:
  ///   - slug: the slug of one of the environments.
  ///   - returnURLs: the URLs to which a browser may return.
  /// - Returns: the tenant, of the environment `testing`, with the secrets of its environment at Terra.
  public func tenant(_ slug: String, returnURLs: [String]) -> NewTenant {
    let environment = environments.first { $0.slug == slug } ?? SandboxEnvironment(slug: slug)
    return NewTenant(
      slug: slug, environment: "testing", devID: environment.devID, terraAPIKey: environment.apiKey,
      signingSecret: environment.signingSecret, terraBaseURL: url + "/v2", terraWidgetURL: url + "/api/widget/session",
      returnURLs: returnURLs)
  }
}

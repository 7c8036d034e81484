@testable import ConnectionRegistry
import Foundation
import Logging
import RegistryModel
import RegistryPostgres
import RegistryTerra
import TerraSandbox
import TestDatabase
import Testing

/// A registry at work on the test's own database, with a stand-in for Terra beside it.
struct Stage: Sendable {
  var registry: ConnectionRegistry
  /// What the registry was made with.
  let configuration: ConnectionRegistry.Configuration
  /// Sees and moves everything, as the superuser: only for looking, and for letting time pass.
  let owner: PostgresPool
  let sandbox: Sandbox
  /// Where the sandbox listens.
  let terra: String
  /// The tenant that is meant where none is named.
  let slug: String

  static let returnURL = "https://app.example/devices"
  static let failureURL = "https://app.example/failed"
  static let publicURL = "https://registry.example"

  static func signingSecret(of slug: String) -> String { "\(slug)-signing-secret" }
}

/// How a stage is set up.
struct StageSettings: Sendable {
  var slugs = ["acme"]
  var environment = "production"
  var returnURLs = [Stage.returnURL, Stage.failureURL]
  var generation: SandboxGeneration = .access
  var legacyWidget = false
  var grace: Duration? = .seconds(600)
  var sessionExpiry: Duration?
  var horizon: Duration?
  var signatureFailingAfter: Duration?
  var connections = 8
  var lanes = 2
  var listens = true
  var terraIsReachable = true
  var answersServerError = false
  var apiKey: String?
  var terraDeadline: Duration = .seconds(10)
  /// Nothing is delivered unless a test is about it.
  var deliveries: DeliveryConfiguration = {
    var settings = DeliveryConfiguration()
    settings.areSent = false
    return settings
  }()
}

/// Runs a registry and a sandbox for as long as a closure runs.
func withStage(
  _ settings: StageSettings = StageSettings(), _ body: @Sendable (Stage) async throws -> Void
) async throws {
  var logger = Logger(label: "test")
  logger.logLevel = .error
  let environments = settings.slugs.map { slug in
    var environment = SandboxEnvironment(slug: slug, generation: settings.generation)
    environment.answersServerError = settings.answersServerError
    return environment
  }
  let sandbox = try Sandbox(configuration: .init(environments: environments), logger: logger)
  let sandboxRun = Task { try await sandbox.run() }
  let terra = "http://127.0.0.1:\(try await sandbox.boundPort())"
  var configuration = ConnectionRegistry.Configuration(
    databaseURL: TestDatabase.current, publicURL: Stage.publicURL, masterKeys: try MasterKeyRing(MasterKeyRing.newKey())
  )
  configuration.maximumConnections = settings.connections
  // Tests run what they look at.
  configuration.runsSchedule = false
  configuration.terraQuestionsPerSecond = 1_000
  configuration.laneConnections = settings.lanes
  configuration.terraDeadline = settings.terraDeadline
  configuration.listens = settings.listens
  configuration.deliveries = settings.deliveries
  let registry = ConnectionRegistry(configuration: configuration, logger: logger)
  let registryRun = Task { try await registry.run() }
  let outcome: Result<Void, any Error>
  do {
    try await PostgresPool.withPool(.patient(TestDatabase.current), logger: logger) { owner in
      let address = settings.terraIsReachable ? terra : "http://127.0.0.1:1"
      for slug in settings.slugs {
        _ = try await registry.tenants.create(
          NewTenant(
            slug: slug, environment: settings.environment, devID: "\(slug)-dev-id",
            terraAPIKey: settings.apiKey ?? "\(slug)-api-key", signingSecret: Stage.signingSecret(of: slug),
            terraBaseURL: address + "/v2",
            terraWidgetURL: address
              + (settings.legacyWidget ? "/v2/auth/generateWidgetSession" : "/api/widget/session"),
            returnURLs: settings.returnURLs, grace: settings.grace, sessionExpiry: settings.sessionExpiry,
            horizon: settings.horizon, signatureFailingAfter: settings.signatureFailingAfter))
      }
      try await body(
        Stage(
          registry: registry, configuration: configuration, owner: owner, sandbox: sandbox, terra: terra,
          slug: settings.slugs[0]))
    }
    outcome = .success(())
  } catch {
    outcome = .failure(error)
  }
  registryRun.cancel()
  sandboxRun.cancel()
  _ = await (registryRun.result, sandboxRun.result)
  try outcome.get()
}

/// Runs a second registry on the stage's database for as long as a closure runs; with master keys of its own, where some are
/// given.
func withReplica(
  of stage: Stage, masterKeys: MasterKeyRing? = nil, _ body: @Sendable (Stage) async throws -> Void
) async throws {
  var replica = stage
  var configuration = stage.configuration
  configuration.masterKeys = masterKeys ?? configuration.masterKeys
  replica.registry = ConnectionRegistry(configuration: configuration, logger: stage.registry.logger)
  let registry = replica.registry
  let run = Task { try await registry.run() }
  let outcome: Result<Void, any Error>
  do {
    try await body(replica)
    outcome = .success(())
  } catch {
    outcome = .failure(error)
  }
  run.cancel()
  _ = await run.result
  try outcome.get()
}

/// A session with the secret that stands in its redirect URLs.
struct OpenedSession: Sendable {
  var session: AuthSession
  var token: String

  var id: UUID { session.sessionID }
}

extension Stage {
  /// Opens a session through the library at the sandbox.
  func open(
    _ resource: String? = nil, reference: String? = "person-1", tenant: String? = nil, multiAuth: Bool = false,
    success: String = Stage.returnURL, failure: String = Stage.failureURL, key: String? = nil
  ) async throws -> OpenedSession {
    let session = try await registry.sessions.open(
      tenant: tenant ?? slug,
      NewAuthSession(
        referenceID: reference, resource: resource, success: success, failure: failure, multiAuth: multiAuth),
      idempotencyKey: key)
    for case .attempt(let attempt) in await sandbox.ledger.records().reversed()
    where session.kind == .direct
      ? attempt.preissuedUserID == session.userID : attempt.terraSessionID == session.terraSessionID
    {
      let token = (attempt.successURL ?? "").split(separator: "/").dropLast().last ?? ""
      return OpenedSession(session: session, token: String(token))
    }
    throw CancellationError()
  }

  /// A browser comes to one of the two URLs.
  @discardableResult
  func visit(
    _ token: String, _ query: String, outcome: RedirectCallback.Outcome = .success, tenant: String? = nil
  ) async throws -> CallbackAnswer {
    try await registry.callbacks.receive(tenant: tenant ?? slug, attempt: token, outcome: outcome, rawQuery: query)
  }

  /// Lets time pass for everything that was recorded, by moving it into the past.
  func letPass(seconds: Double) async throws {
    let columns: [String: [String]] = [
      "auth_session": ["created_at", "expires_at", "answered_at"], "auth_event_key": ["created_at"],
      "auth_event": ["recorded_at", "signed_at", "occurred_at"], "app_user": ["created_at"],
      "webhook_receipt": ["recorded_at", "signed_at", "occurred_at"], "webhook_receipt_count": ["last_at"],
      "redirect_callback": ["recorded_at"], "connection": ["created_at", "recorded_at", "changed_at"],
      "connection_change": ["recorded_at"], "change_consumer": ["created_at", "acknowledged_at"],
      "embedder": ["created_at"], "erased_subject": ["erased_at"],
      "reconciliation_state": [
        "provider_at", "terra_users_at", "watermark", "lease_until", "place_at", "due_at", "started_at", "paused_at",
      ],
      "reconciliation_run": ["started_at", "finished_at", "window_start", "window_end", "collected_to"],
      "finding": [
        "first_seen_at", "opened_at", "last_seen_at", "resolved_at", "acknowledged_at", "acknowledged_until",
        "repair_at",
      ],
      "finding_change": ["recorded_at"],
    ]
    for (table, names) in columns.sorted(by: { $0.key < $1.key }) {
      let sets = names.map { "\($0) = \($0) - make_interval(secs => $1)" }.joined(separator: ", ")
      try await owner.execute("UPDATE registry.\(table) SET \(sets)", [.double(seconds)])
    }
  }

  /// The first column of all rows, as text.
  func texts(_ text: String, _ parameters: [PostgresParameter] = []) async throws -> [String] {
    let result = try await owner.execute(text, parameters)
    guard let column = result.columnNames.first else { return [] }
    return try result.rows.map { try $0.decodeIfPresent(column, as: String.self) ?? "null" }
  }

  func count(_ table: String) async throws -> Int {
    try Int(await texts("SELECT count(*)::text FROM registry.\(table)").first ?? "") ?? -1
  }
}

/// Expects an error of a code.
@discardableResult
func expectError(
  _ code: RegistryError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> RegistryError? {
  do {
    try body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
  } catch {
    #expect((error as? RegistryError)?.code == code, "\(error)", sourceLocation: sourceLocation)
    return error as? RegistryError
  }
  return nil
}

@discardableResult
func expectError(
  _ code: RegistryError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> RegistryError? {
  do {
    try await body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
  } catch {
    #expect((error as? RegistryError)?.code == code, "\(error)", sourceLocation: sourceLocation)
    return error as? RegistryError
  }
  return nil
}

import AsyncHTTPClient
import Foundation
import Hummingbird
public import Logging
import NIOCore
public import ServiceLifecycle

/// A stand-in for Terra: its API in both generations, its login pages, its signed webhooks, and faults on request.
///
/// ```swift
/// let sandbox = try Sandbox(configuration: .init(environments: [.init(slug: "acme", webhookURL: url)]), logger: logger)
/// // run() in a ServiceGroup or a task of its own, then:
/// let port = try await sandbox.boundPort()
/// ```
///
/// Whatever happens stands in ``ledger``. Faults come from ``SandboxConfiguration/faults``; which attempt has which one
/// depends on the seed alone, not on what happens at the same time. Nothing is opened or started before ``run()``.
public final class Sandbox: Service {
  /// The configuration that the sandbox was made with.
  public let configuration: SandboxConfiguration
  /// What has happened so far.
  public let ledger: SandboxLedger

  let world: SandboxWorld
  let clock: any SandboxClock
  let page: LoginPage
  let dispatcher: WebhookDispatcher
  let logger: Logger
  private let port = StartupSignal<Int>()

  /// Creates a sandbox.
  ///
  /// - Parameters:
  ///   - configuration: environments, delivery, thresholds and faults.
  ///   - ledger: where to write what happens; a new one in memory by default.
  ///   - clock: the source of time and waiting.
  ///   - logger: gets problems of the sandbox itself; what is delivered stands in the ledger.
  /// - Throws: ``SandboxConfigurationError`` when a setting cannot work.
  public init(
    configuration: SandboxConfiguration, ledger: SandboxLedger = SandboxLedger(),
    clock: any SandboxClock = WallClock(), logger: Logger
  ) throws {
    try configuration.validate()
    let world = SandboxWorld(configuration: configuration)
    self.configuration = configuration
    self.ledger = ledger
    self.world = world
    self.clock = clock
    self.logger = logger
    self.page = try LoginPage()
    self.dispatcher = WebhookDispatcher(
      settings: configuration.delivery, clock: clock, ledger: ledger, logger: logger,
      address: { slug in await world.environment(slug: slug)?.webhookURL })
  }

  /// Serves and sends until the task is cancelled or a graceful shutdown begins. It can be called once.
  ///
  /// - Throws: `NIOCore.IOError` when the address cannot be bound.
  public func run() async throws {
    let port = self.port
    let app = Application(
      router: SandboxRoutes(sandbox: self).router(),
      configuration: .init(
        address: .hostname(self.configuration.host, port: self.configuration.port), serverName: "terra-sandbox"),
      onServerRunning: { channel in port.resolve(.success(channel.localAddress?.port ?? 0)) },
      logger: self.logger)
    let client = HTTPClient(
      eventLoopGroupProvider: .singleton,
      configuration: Self.clientConfiguration(
        connectionsPerHost: self.configuration.delivery.concurrency))
    let result: Result<Void, any Error>
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await self.dispatcher.run(client: client) }
        group.addTask { try await runEndingGracefully(app, logger: self.logger) }
        // The server ends on a graceful shutdown by itself; what is still to be sent is then left.
        while let ended = await group.nextResult() {
          group.cancelAll()
          try ended.get()
        }
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    self.port.resolve(.failure(CancellationError()))
    try? await client.shutdown()
    try result.get()
  }

  /// The port that the sandbox listens on. Waits until it does.
  ///
  /// - Returns: the port.
  /// - Throws: `CancellationError` when ``run()`` has ended without listening.
  public func boundPort() async throws -> Int { try await self.port.value() }

  /// The base of the login pages' URLs: the configured one, else loopback and the bound port.
  public func publicURL() async -> String {
    if let configured = self.configuration.publicURL {
      return configured.hasSuffix("/") ? String(configured.dropLast()) : configured
    }
    let port = (try? await self.port.value()) ?? self.configuration.port
    return "http://127.0.0.1:\(port)"
  }

  /// A client that follows no redirect and reports a refused connection at once.
  static func clientConfiguration(connectionsPerHost: Int) -> HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)))
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsPerHost
    configuration.connectionPool.retryConnectionEstablishment = false
    return configuration
  }

  // MARK: What the routes need

  func loginURL(_ attempt: Attempt) async -> String {
    await self.publicURL() + (attempt.kind == .widget ? "/session/" : "/login/") + attempt.flow
  }

  func open(_ request: Attempt.Request, tenant: String) async throws -> Attempt {
    let (attempt, change) = try await self.world.open(request, tenant: tenant, now: self.clock.now())
    await self.apply(change)
    return attempt
  }

  /// Returns where the browser goes; nil for a decision that there is none of.
  func decide(_ attempt: Attempt, decision: String, picked: String?) async throws -> Redirect? {
    let now = self.clock.now()
    let change: WorldChange
    switch decision {
    case "approve":
      change = try await self.world.approve(attemptID: attempt.attemptID, picked: picked, now: now)
    case "deny": change = try await self.world.deny(attemptID: attempt.attemptID, picked: picked, now: now)
    case "finish": change = try await self.world.finish(attemptID: attempt.attemptID)
    default: return nil
    }
    await self.apply(change)
    return change.redirect
  }

  /// Writes down, emits and schedules what follows from an act.
  func apply(_ change: WorldChange) async {
    for record in change.records { await self.ledger.append(record) }
    for order in change.orders { await self.emit(order) }
    for followUp in change.followUps {
      self.dispatcher.after(seconds: followUp.delay) {
        await self.apply(await self.world.perform(followUp, now: self.clock.now()))
      }
    }
  }
}

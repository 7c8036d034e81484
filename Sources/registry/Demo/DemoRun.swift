import AsyncHTTPClient
import ConnectionRegistry
import EmbeddedPostgres
import Foundation
import Logging
import NIOCore
import TerraSandbox

/// One demo from the empty directory to the comparison.
struct DemoRun: Sendable {
  let options: DemoOptions
  let settings: DemoSettings
  let population: DemoPopulation
  let progress: DemoProgress
  let logger: Logger
  let oracle: DemoOracle
  let directory: DemoDirectory
  let watchdog: DemoWatchdog

  /// Prepares a demo: its own directory exists, nothing else runs.
  ///
  /// - Parameter options: what the command line asked for.
  /// - Throws: ``DemoError``.
  init(_ options: DemoOptions) throws {
    self.options = options
    self.settings = DemoSettings(seed: options.seed, appUsers: options.appUsers)
    self.population = DemoPopulation(self.settings)
    self.progress = DemoProgress()
    var logger = Logger(label: "registry.demo", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .critical
    self.logger = logger
    self.oracle = try DemoOracle(given: options.oracle, executable: DemoCommandLine.ownExecutable)
    self.directory = try DemoDirectory(in: options.stateDirectory)
    self.watchdog = try DemoWatchdog()
    self.watchdog.watch(directory: self.directory.path)
  }

  /// Shows everything, and clears up.
  ///
  /// - Returns: what it came to.
  /// - Throws: ``DemoError`` and whatever the parts throw; `CancellationError` when it was interrupted.
  func perform() async throws -> DemoOutcome {
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: Self.clientConfiguration)
    let outcome: Result<DemoOutcome, any Error>
    do {
      outcome = .success(try await self.onCluster(client))
    } catch {
      outcome = .failure(error)
    }
    try? await client.shutdown()
    self.progress.end()
    let holds = (try? outcome.get())?.holds
    if !self.options.keep || holds == nil {
      // An interrupted demo has nothing to show; a comparison that failed has.
      self.directory.remove(keepsAccount: holds == false)
    }
    await self.watchdog.dismiss()
    return try outcome.get()
  }

  private func onCluster(_ client: HTTPClient) async throws -> DemoOutcome {
    try await self.oracle.check()
    self.progress.begin("Starting a private PostgreSQL cluster")
    var configuration = EmbeddedPostgres.Configuration(stateDirectory: self.directory.state)
    configuration.leavesRunning = self.options.keep
    let cluster = try await EmbeddedPostgres.start(configuration, logger: self.logger)
    let commands = DemoCommandLine(
      executable: DemoCommandLine.ownExecutable,
      environment: DemoCommandLine.environment(adding: [
        "REGISTRY_DATABASE_URL": cluster.connectionInfo, "REGISTRY_MASTER_KEYS": MasterKeyRing.newKey(),
        "REGISTRY_STATE_DIR": self.directory.state, "REGISTRY_LOG_LEVEL": "warning",
        // The demo reconciles when all is said.
        "REGISTRY_RECONCILE_EVERY": "off",
      ]), directory: self.directory)
    do {
      self.progress.begin("Applying the migrations")
      try await commands.run(["migrate", "apply"])
      let service = try DemoService(commands: commands, watchdog: self.watchdog, client: client)
      let outcome: DemoOutcome
      do {
        outcome = try await self.withSandbox(service, commands, cluster, client)
      } catch {
        await service.stop()
        throw error
      }
      if self.options.keep {
        await self.sayWhatStays(service, commands)
      } else {
        await service.stop()
        try await cluster.stop()
      }
      return outcome
    } catch {
      cluster.destroy()
      throw error
    }
  }

  private func withSandbox(
    _ service: DemoService, _ commands: DemoCommandLine, _ cluster: EmbeddedPostgres, _ client: HTTPClient
  ) async throws -> DemoOutcome {
    let sandbox = try Sandbox(
      configuration: SandboxConfiguration(
        environments: DemoTenant.all.map { tenant in
          tenant.environment(webhookURL: service.url + "/webhooks/terra/" + tenant.slug)
        }, delivery: self.settings.delivery, thresholds: self.settings.thresholds, faults: self.settings.faults),
      ledger: try SandboxLedger(path: self.directory.ledger), logger: self.logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await sandbox.run() }
      defer { group.cancelAll() }
      let keys = try await self.makeTenants(commands, terraURL: "http://127.0.0.1:\(sandbox.boundPort())")
      self.progress.begin("Starting the service on \(service.url)")
      try await service.start()
      let tally = try await SandboxBrowser.with(sandbox: sandbox) { browser in
        let sessions = DemoSessionClient(client: client, serviceURL: service.url, keys: keys)
        let traffic = DemoTraffic(sandbox: sandbox, browser: browser, sessions: sessions)
        try await self.drive(traffic, sandbox, service)
        return traffic.tally
      }
      return try await self.reconcile(commands, sandbox, tally, postgresVersion: cluster.majorVersion)
    }
  }

  /// Makes the tenants and a key for each.
  ///
  /// - Returns: the keys by slug.
  private func makeTenants(_ commands: DemoCommandLine, terraURL: String) async throws -> [String: String] {
    var keys: [String: String] = [:]
    for tenant in DemoTenant.all {
      self.progress.begin("Making the tenant \(tenant.slug) (Terra's \(tenant.generation.rawValue) generation)")
      let environment = tenant.environment(webhookURL: nil)
      let isLegacy = tenant.generation == .legacy
      try await commands.run(
        [
          "tenant", "create", tenant.slug, "--environment", "testing", "--dev-id", environment.devID,
          "--terra-base-url", terraURL + (isLegacy ? "/v2" : "/api/v2"),
          "--terra-widget-url", terraURL + (isLegacy ? "/v2/auth/generateWidgetSession" : "/api/widget/session"),
          "--return-url", tenant.returnURL, "--grace", "\(Int(self.settings.grace))s",
          "--session-expiry", "\(Int(self.settings.sessionExpiry))s", "--horizon", "\(Int(self.settings.horizon))s",
          "--signature-failing-after", "\(Int(self.settings.signatureFailingAfter))s",
        ],
        settings: [
          "REGISTRY_TENANT_TERRA_API_KEY": environment.apiKey,
          "REGISTRY_TENANT_SIGNING_SECRET": environment.signingSecret,
        ])
      let key = try await commands.json([
        "key", "create", "--tenant", tenant.slug, "--name", "demo", "--scope", "sessions:write",
      ])
      guard case .string(let secret) = key[path: "secret"] else {
        throw DemoError("`registry key create` printed no key.")
      }
      keys[tenant.slug] = secret
    }
    return keys
  }

  private func sayWhatStays(_ service: DemoService, _ commands: DemoCommandLine) async {
    let settings = ["REGISTRY_DATABASE_URL", "REGISTRY_MASTER_KEYS"].map { name in
      "  export \(name)='\((commands.environment[name] ?? "").replacing("'", with: "'\\''"))'"
    }
    let processID = await service.processID.map(String.init) ?? "?"
    self.progress.end()
    let lines =
      ["", "The service stays at \(service.url), the cluster in \(self.directory.state). To look around:"] + settings
      + [
        "To end both: kill \(processID); sleep 1; "
          + "find \(self.directory.state) -name postmaster.pid -exec head -n 1 {} \\; | xargs kill; "
          + "rm -rf \(self.directory.path)", "",
      ]
    StandardError.write(lines.joined(separator: "\n"))
  }

  private static var clientConfiguration: HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)))
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
    configuration.connectionPool.retryConnectionEstablishment = false
    return configuration
  }
}

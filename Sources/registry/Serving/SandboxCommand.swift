import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import TerraSandbox
import UnixSignals

/// The stand-in for Terra.
struct SandboxCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sandbox", abstract: "Run a stand-in for Terra: API, login pages, signed webhooks, and faults.",
    discussion: """
      When it listens it prints {"port":N}. Environments, delivery, thresholds and faults stand in a JSON file; \
      without one there is an environment named after --tenant with the dev-id SLUG-dev-id, the API key SLUG-api-key \
      and the signing secret SLUG-signing-secret.
      """)

  @Option(help: ArgumentHelp("A file with environments, delivery, thresholds and faults, as JSON.", valueName: "file"))
  var configurationFile: String?

  @Option(help: ArgumentHelp("The address to listen on.", valueName: "address"))
  var host: String?

  @Option(help: ArgumentHelp("The port to listen on, 0 takes a free one.", valueName: "port"))
  var port: Int?

  @Option(help: ArgumentHelp("The URL under which browsers reach it.", valueName: "url"))
  var publicURL: String?

  @Option(
    name: .customLong("tenant"),
    help: ArgumentHelp("Make an environment of this name; may be repeated.", valueName: "slug"))
  var tenants: [String] = []

  @Option(
    help: ArgumentHelp(
      "Where the service is that gets the webhooks, such as http://127.0.0.1:8080.", valueName: "url"))
  var registryURL: String?

  @Option(help: ArgumentHelp("Write the ledger of what happened to this file.", valueName: "file"))
  var ledger: String?

  func run() async throws {
    let settings = try CommandSettings()
    let logger = settings.logger(label: "sandbox", level: .info)
    let ledger = try ledger.map { try SandboxLedger(path: $0) } ?? SandboxLedger()
    let sandbox = try Sandbox(configuration: try configuration(), ledger: ledger, logger: logger)
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: sandbox)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      tasks.addTask {
        guard let port = try? await sandbox.boundPort() else { return }
        try StandardOutput().line(#"{"port":\#(port)}"#)
      }
      try await tasks.waitForAll()
    }
  }

  private func configuration() throws -> SandboxConfiguration {
    var configuration = SandboxConfiguration()
    if let configurationFile {
      guard let data = FileManager.default.contents(atPath: configurationFile) else {
        throw ValidationError("--configuration-file: cannot read \(configurationFile).")
      }
      do {
        configuration = try JSONDecoder().decode(SandboxConfiguration.self, from: data)
      } catch {
        throw ValidationError(
          "--configuration-file: \(configurationFile) is not a configuration of the sandbox: \(error)")
      }
    }
    if let host { configuration.host = host }
    if let port { configuration.port = port }
    if let publicURL { configuration.publicURL = publicURL }
    if !tenants.isEmpty { configuration.environments = tenants.map { SandboxEnvironment(slug: $0) } }
    if let registryURL {
      for index in configuration.environments.indices where configuration.environments[index].webhookURL == nil {
        configuration.environments[index].webhookURL =
          "\(registryURL)/webhooks/terra/\(configuration.environments[index].slug)"
      }
    }
    return configuration
  }
}

import ArgumentParser
import ConnectionRegistry
import ConnectionRegistryHummingbird
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// The service.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Run the service: webhooks, callbacks and the API over HTTP.",
    discussion: """
      With a database given, its schema must be migrated (`registry migrate apply`). Without one, the service starts \
      a private PostgreSQL cluster in REGISTRY_STATE_DIR, migrates it, and keeps its master keys in a file beside it. \
      SIGTERM and SIGINT end it after the requests under way, for which it waits REGISTRY_SHUTDOWN_TIME_LIMIT at most.
      """)

  @Option(help: ArgumentHelp("The address to listen on; before REGISTRY_HTTP_HOST.", valueName: "address"))
  var host: String?

  @Option(
    help: ArgumentHelp("The port to listen on, 0 takes a free one; before REGISTRY_HTTP_PORT.", valueName: "port"))
  var port: Int?

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let port, !(0...65_535).contains(port) { throw ValidationError("--port takes a number from 0 to 65535.") }
  }

  func run() async throws {
    let access = try RegistryAccess(database, logLevel: .info)
    let api = try APISettings(reader: access.settings.reader([:]))
    let host = host ?? access.settings.host
    let reservation = try PortReservation(host: host, port: port ?? access.settings.port)
    try await access.withDatabase { database in
      try await database.requireSchema()
      let address = ServiceAddress(host: host, port: reservation.port)
      let configuration = try database.configuration(settings: access.settings, publicURL: address.url)
      let registry = ConnectionRegistry(configuration: configuration, logger: access.logger)
      let listening = Listening(
        host: host, port: address.port, url: address.url, publicURL: configuration.publicURL,
        stateDirectory: database.isPrivate ? access.settings.stateDirectory : nil)
      let service = Self.service(registry, address, api, access.logger) {
        reservation.release()
        listening.announce(output.format, access.logger)
        StartPages.release()
      }
      var lifecycle = ServiceGroupConfiguration(
        services: [.init(service: registry), .init(service: service)],
        gracefulShutdownSignals: [.sigterm, .sigint], logger: access.logger)
      lifecycle.maximumGracefulShutdownDuration = access.settings.shutdownTimeLimit
      do {
        try await ServiceGroup(configuration: lifecycle).run()
      } catch is CancellationError {
        // Requests took longer to end than they may: they were given up.
      } catch let error as IOError {
        throw CommandError("Cannot listen on \(host) port \(address.port): \(error).")
      }
    }
  }

  private static func service(
    _ registry: ConnectionRegistry, _ address: ServiceAddress, _ api: APISettings, _ logger: Logger,
    onListening: @escaping @Sendable () -> Void
  ) -> some ApplicationProtocol {
    let router = Router()
    router.addMiddleware { RegistryRequestMiddleware() }
    router.addRegistryRoutes(registry, api: api)
    return Application(
      router: router,
      // Neither a sender that stalls nor one that trickles may hold its connection for ever.
      server: .http1(
        configuration: .init(additionalChannelHandlers: [BodyArrivalHandler()], idleTimeout: .seconds(60))),
      configuration: .init(
        address: .hostname(address.host, port: address.port), serverName: "connection-registry", backlog: 1024,
        availableConnectionsDelegate: MaximumAvailableConnections(8_192)),
      onServerRunning: { _ in onListening() }, logger: logger)
  }
}

/// Where the service listens.
struct ServiceAddress: Sendable {
  let host: String
  let port: Int

  /// The URL under which this machine reaches it.
  var url: String {
    let reachable = ["0.0.0.0": "127.0.0.1", "::": "[::1]"][host] ?? (host.contains(":") ? "[\(host)]" : host)
    return "http://\(reachable):\(port)"
  }
}

/// What the service says when it listens.
private struct Listening: Encodable, Sendable {
  var host: String
  var port: Int
  var url: String
  var publicURL: String
  /// Where the private cluster is; absent when a database was given.
  var stateDirectory: String?

  /// Says it on standard output, whose reader may be gone: the service then runs on.
  func announce(_ format: OutputFormat, _ logger: Logger) {
    let output = StandardOutput()
    do {
      switch format {
      case .json, .ndjson:
        try output.line(JSONValue(encoding: self).compact)
      case .table, .csv:
        try output.line("Listening on \(url)")
        if let stateDirectory { try output.line("PostgreSQL is a private cluster in \(stateDirectory).") }
      }
    } catch {
      logger.warning("Nobody reads standard output.", metadata: ["error": "\(error)"])
    }
  }
}

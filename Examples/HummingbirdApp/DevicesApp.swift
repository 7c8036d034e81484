import Configuration
import ConnectionRegistry
import ConnectionRegistryHummingbird
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// A team's backend that embeds the registry: it takes Terra's webhooks and callbacks in, shows a person's devices, and
/// keeps a table of its own that follows the registry.
///
///     REGISTRY_DATABASE_URL=… REGISTRY_MASTER_KEYS=… REGISTRY_PUBLIC_URL=http://localhost:3000 \
///       APP_TENANT=acme APP_PORT=3000 APP_DEVICES_FILE=devices.json swift run ExampleHummingbirdApp
@main
struct DevicesApp {
  static func main() async throws {
    let config = ConfigReader(provider: EnvironmentVariablesProvider())
    let logger = Logger(label: "app")
    let tenant = config.string(forKey: "app.tenant") ?? "acme"
    let port = config.int(forKey: "app.port") ?? 3000

    let registry = ConnectionRegistry(configuration: try .init(reader: config.scoped(to: "registry")), logger: logger)
    let board = try DeviceBoard(file: config.string(forKey: "app.devices.file") ?? "devices.json")

    let router = Router()
    router.addMiddleware { RegistryRequestMiddleware() }
    router.addRegistryRoutes(registry, [.webhooks, .callbacks, .health])
    DeviceRoutes(registry: registry, tenant: tenant, board: board, origin: "http://localhost:\(port)").add(to: router)

    let app = Application(
      router: router,
      // Without the handler a body that trickles holds its connection.
      server: .http1(
        configuration: .init(additionalChannelHandlers: [BodyArrivalHandler()], idleTimeout: .seconds(60))),
      configuration: .init(address: .hostname("127.0.0.1", port: port)),
      onServerRunning: { _ in
        // Not `print`, which keeps it back where the output is a pipe.
        FileHandle.standardOutput.write(Data("Listening on http://127.0.0.1:\(port)\n".utf8))
      }, logger: logger)
    // They end in the reverse order: first the server, then what follows the registry, then the registry.
    let services: [any Service] = [registry, DeviceFollower(registry: registry, tenant: tenant, board: board), app]
    try await ServiceGroup(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger).run()
  }
}

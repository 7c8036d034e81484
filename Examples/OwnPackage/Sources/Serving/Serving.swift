import ConnectionRegistry
import ConnectionRegistryHummingbird
import Foundation
import Hummingbird
import Logging

/// Takes webhooks and callbacks in beside routes of its own.
///
///     APP_DATABASE_URL=… APP_PORT=3000 swift run --package-path Examples/OwnPackage Serving
@main
struct Serving {
  static func main() async throws {
    let environment = ProcessInfo.processInfo.environment
    let port = environment["APP_PORT"].flatMap(Int.init) ?? 3000
    let logger = Logger(label: "serving")
    let configuration = ConnectionRegistry.Configuration(
      databaseURL: environment["APP_DATABASE_URL"] ?? "", publicURL: "http://localhost:\(port)",
      masterKeys: try MasterKeyRing(MasterKeyRing.newKey()))
    try await ConnectionRegistry.migrate(configuration, logger: logger)
    let registry = ConnectionRegistry(configuration: configuration, logger: logger)

    let router = Router()
    router.addMiddleware { RegistryRequestMiddleware() }
    router.addRegistryRoutes(registry, [.webhooks, .callbacks, .health])
    router.get("hello") { _, _ in "hello" }
    var app = Application(
      router: router, server: .http1(configuration: .init(additionalChannelHandlers: [BodyArrivalHandler()])),
      configuration: .init(address: .hostname("127.0.0.1", port: port)),
      onServerRunning: { _ in FileHandle.standardOutput.write(Data("Listening\n".utf8)) }, logger: logger)
    app.addServices(registry)
    try await app.runService()
  }
}

import Configuration
import ConnectionRegistry
import Foundation
import Logging

/// A program that embeds the registry without a server: it opens a session, prints where to send the browser, and waits
/// until the device is connected. Webhooks come in elsewhere, at `registry serve` for example.
///
///     REGISTRY_DATABASE_URL=… REGISTRY_MASTER_KEYS=… swift run ExampleCommandLine acme person-1 GARMIN https://app.acme.io/devices
@main
struct ConnectDevice {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count == 4 else {
      FileHandle.standardError.write(Data("Usage: ExampleCommandLine TENANT PERSON PROVIDER RETURN_URL\n".utf8))
      exit(64)
    }
    let (tenant, person, url) = (arguments[1], arguments[2], arguments[4])
    let provider = try Resource(arguments[3])
    let config = ConfigReader(provider: EnvironmentVariablesProvider())
    let registry = ConnectionRegistry(
      configuration: try .init(reader: config.scoped(to: "registry")), logger: Logger(label: "connect-device"))

    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await registry.run() }
      let session = try await registry.sessions.open(
        tenant: tenant, referenceID: person, resource: provider, returnTo: .init(success: url, failure: url))
      print("Open \(session.authURL ?? "")")
      fflush(nil)
      for try await change in registry.changes(tenant: tenant, consumer: "connect-device") {
        print("\(change.userID) \(change.fromStatus?.rawValue ?? "new") -> \(change.toStatus.rawValue)")
        fflush(nil)
        try await change.acknowledge()
        if change.userID == session.userID, change.toStatus == .active { break }
      }
      group.cancelAll()
    }
  }
}

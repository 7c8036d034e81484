import ArgumentParser
import Configuration
import ConnectionRegistry
import EmbeddedPostgres
import Foundation
import Logging

/// The settings of the executable, read from the environment.
///
/// | key | type | default |
/// |---|---|---|
/// | `http.host` | address or name to listen on | `127.0.0.1` |
/// | `http.port` | 0 to 65535, 0 takes a free one | `8080` |
/// | `public.url` | `http` or `https` URL under which browsers and Terra reach the service | from host and port |
/// | `state.dir` | directory of the private cluster | `EmbeddedPostgres.Configuration.defaultStateDirectory` |
/// | `shutdown.time.limit` | how long a signal to end waits for requests under way: duration (`20s`) | `20s` |
/// | `log.level` | `trace` `debug` `info` `notice` `warning` `error` `critical` | `info` for `serve`, else `warning` |
/// | `log.format` | `text` or `json` | `text` |
///
/// Each stands in the environment with the prefix `REGISTRY_`: `REGISTRY_HTTP_PORT`. The registry's own settings are
/// read by `ConnectionRegistry.Configuration`.
struct CommandSettings: Sendable {
  let environment: [String: String]
  let host: String
  let port: Int
  let publicURL: String?
  let stateDirectory: String
  let shutdownTimeLimit: Duration
  let logLevel: Logger.Level?
  let logFormat: LogFormat
  /// The database that was given; nil means the private cluster, empty means what libpq's variables name.
  let databaseURL: String?

  /// Reads the settings.
  ///
  /// - Parameters:
  ///   - databaseURL: The database of the command line, which comes before the environment's.
  ///   - environment: The variables.
  /// - Throws: ``SettingError`` that names the key and what it takes.
  init(databaseURL: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    self.environment = environment
    let reader = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment))
      .scoped(to: "registry")
    func text(_ key: ConfigKey) -> String? { reader.string(forKey: key).flatMap { $0.isEmpty ? nil : $0 } }

    host = text("http.host") ?? "127.0.0.1"
    port =
      try text("http.port").map { value in
        guard let port = Int(value), (0...65_535).contains(port) else {
          throw SettingError(key: "REGISTRY_HTTP_PORT", takes: "a port from 0 to 65535; 0 takes a free one")
        }
        return port
      } ?? 8080
    publicURL = try text("public.url").map { value in
      guard let url = URL(string: value), ["http", "https"].contains(url.scheme ?? ""), url.host() != nil else {
        throw SettingError(key: "REGISTRY_PUBLIC_URL", takes: "an http or https URL, such as https://registry.acme.io")
      }
      return value
    }
    stateDirectory = text("state.dir") ?? EmbeddedPostgres.Configuration.defaultStateDirectory()
    shutdownTimeLimit =
      try text("shutdown.time.limit").map { value in
        guard let limit = Duration(setting: value) else {
          throw SettingError(key: "REGISTRY_SHUTDOWN_TIME_LIMIT", takes: "a duration such as 500ms or 20s")
        }
        return limit
      } ?? .seconds(20)
    logLevel = try text("log.level").map { value in
      guard let level = Logger.Level(rawValue: value.lowercased()) else {
        let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
        throw SettingError(key: "REGISTRY_LOG_LEVEL", takes: "one of \(levels)")
      }
      return level
    }
    logFormat =
      try text("log.format").map { value in
        guard let format = LogFormat(rawValue: value.lowercased()) else {
          throw SettingError(key: "REGISTRY_LOG_FORMAT", takes: "text or json")
        }
        return format
      } ?? .text
    let given = databaseURL ?? text("database.url")
    let libpq = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE"]
    self.databaseURL = given ?? (libpq.contains { !(environment[$0] ?? "").isEmpty } ? "" : nil)
  }

  /// The environment's settings for the registry, with some of them replaced.
  ///
  /// - Parameter changes: Values by their variables.
  /// - Returns: A reader whose keys begin after `REGISTRY_`.
  func reader(_ changes: [String: String]) -> ConfigReader {
    let variables = environment.merging(changes) { _, new in new }
    return ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: variables))
      .scoped(to: "registry")
  }
}

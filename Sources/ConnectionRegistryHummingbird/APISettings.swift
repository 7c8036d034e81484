public import Configuration
import ConnectionRegistry
import Foundation

/// What `/v1` allows its callers.
public struct APISettings: Sendable {
  /// How many requests an API key may make in a second, in each process; zero is as many as it likes.
  public var rate: Double = 1_000
  /// How many requests a key may make at once after a pause.
  public var burst = 2_000
  /// How long an answer may take, unless an operation needs longer.
  public var timeLimit: Duration = .seconds(30)
  /// How long the body of a request may take to arrive.
  public var bodyTimeLimit: Duration = .seconds(15)
  /// The origins whose pages may read answers, such as `https://console.acme.io`; none without a setting.
  public var origins: Set<String> = []

  /// Says what time it is for the rate.
  var now: @Sendable () -> ContinuousClock.Instant = { .now }

  /// The defaults.
  public init() {}

  /// Reads settings; in the environment each key is upper-cased after `REGISTRY_`.
  ///
  /// | key | type | default |
  /// |---|---|---|
  /// | `api.rate` | requests per second and key, 0 to 1,000,000; 0 is no limit | 1000 |
  /// | `api.burst` | requests at once, 1 to 1,000,000 | 2000 |
  /// | `api.time.limit` | duration (`500ms`, `30s`) | `30s` |
  /// | `cors.origins` | origins separated by commas, each exact | none |
  ///
  /// - Parameter reader: The settings, scoped to the registry.
  /// - Throws: `RegistryError` of code `invalid_request` with the setting's name and what it takes.
  public init(reader: ConfigReader) throws {
    if let text = reader.string(forKey: "api.rate") {
      guard let number = Double(text), (0...1_000_000).contains(number) else {
        throw RegistryError(.invalidRequest, "takes a number from 0 to 1000000", field: "REGISTRY_API_RATE")
      }
      rate = number
    }
    if let text = reader.string(forKey: "api.burst") {
      guard let number = Int(text), (1...1_000_000).contains(number) else {
        throw RegistryError(.invalidRequest, "takes a whole number from 1 to 1000000", field: "REGISTRY_API_BURST")
      }
      burst = number
    }
    if let text = reader.string(forKey: "api.time.limit") {
      guard let duration = Duration(setting: text) else {
        throw RegistryError(
          .invalidRequest, "takes a duration above zero, such as 500ms or 30s", field: "REGISTRY_API_TIME_LIMIT")
      }
      timeLimit = duration
    }
    for origin in (reader.string(forKey: "cors.origins") ?? "").split(separator: ",") {
      let origin = origin.trimmingCharacters(in: .whitespaces)
      guard let url = URLComponents(string: origin), ["http", "https"].contains(url.scheme ?? ""),
        url.host?.isEmpty == false, url.path.isEmpty, url.query == nil, url.fragment == nil, url.user == nil,
        origin == origin.lowercased()
      else {
        throw RegistryError(
          .invalidRequest, "takes exact origins such as https://console.acme.io, separated by commas",
          field: "REGISTRY_CORS_ORIGINS")
      }
      origins.insert(origin)
    }
  }
}

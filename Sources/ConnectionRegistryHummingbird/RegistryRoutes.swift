/// Groups of the registry's HTTP routes, to choose which ones a server offers.
public struct RegistryRoutes: OptionSet, Sendable {
  /// One bit per group.
  public let rawValue: Int

  /// Makes a set from its bits.
  ///
  /// - Parameter rawValue: One bit per group.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// `POST /webhooks/terra/{tenant}`: Terra's signed webhooks.
  public static let webhooks = RegistryRoutes(rawValue: 1 << 0)
  /// `GET /callbacks/terra/{tenant}/{attempt}/success` and `/failure`: arrivals of browsers;
  /// `GET /connect/{tenant}/{attempt}`: departures of those that are bound to their session.
  public static let callbacks = RegistryRoutes(rawValue: 1 << 1)
  /// `/v1/…`: what the team's backend asks and does, with an API key.
  public static let api = RegistryRoutes(rawValue: 1 << 2)
  /// `GET /healthz` and `GET /readyz`.
  public static let health = RegistryRoutes(rawValue: 1 << 3)
  /// `GET /openapi.json` and `GET /docs`: what the API takes and answers, for programs and for people.
  public static let documentation = RegistryRoutes(rawValue: 1 << 4)
  /// `/terra/v2/…` and `POST /terra/widget/session`: Terra's API of authentication for Terra's own clients.
  public static let gateway = RegistryRoutes(rawValue: 1 << 5)
  /// All groups.
  public static let all: RegistryRoutes = [.webhooks, .callbacks, .api, .health, .documentation, .gateway]
}

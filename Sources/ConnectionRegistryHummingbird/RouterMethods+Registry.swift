public import ConnectionRegistry
public import Hummingbird

extension RouterMethods {
  /// Adds the registry's routes to a router or a group.
  ///
  /// ```swift
  /// let router = Router()
  /// router.addMiddleware { RegistryRequestMiddleware() }
  /// router.addRegistryRoutes(registry, [.webhooks, .callbacks])
  /// ```
  ///
  /// Add ``RegistryRequestMiddleware`` before, rather than a logger of whole URIs: the path of a callback holds the
  /// attempt token, and the path of an app user the `reference_id`.
  ///
  /// Give the server a ``BodyArrivalHandler`` for each connection, so that neither a body that trickles
  /// nor an answer that nobody reads holds one.
  ///
  /// Errors leave these routes as problem documents (RFC 9457), and every answer carries `X-Request-Id`.
  ///
  /// - Parameters:
  ///   - registry: The registry that answers. Its `run()` must be running.
  ///   - routes: Which groups of routes to add.
  ///   - api: What `/v1` allows its callers; rate and time limit hold for `/terra` too.
  public func addRegistryRoutes(
    _ registry: ConnectionRegistry, _ routes: RegistryRoutes = .all, api: APISettings = APISettings()
  ) {
    let group = self.group().add(middleware: RequestIdentifierMiddleware<Context>())
      .add(middleware: ProblemMiddleware<Context>())
    let sized = group.group().add(middleware: RequestSizeMiddleware<Context>())
    let rateLimit = RateLimit(rate: api.rate, burst: api.burst, clock: api.now)
    if routes.contains(.webhooks) { WebhookRoutes(registry: registry).add(to: sized) }
    if routes.contains(.callbacks) {
      CallbackRoutes(registry: registry).add(to: sized)
      ConnectRoutes(registry: registry).add(to: sized)
    }
    let operations = APIOperations(registry: registry, settings: api)
    if routes.contains(.api) { operations.add(to: group, rateLimit: rateLimit) }
    if routes.contains(.documentation) { DocumentationRoutes(operations: operations.all).add(to: sized) }
    if routes.contains(.gateway) {
      GatewayRoutes(registry: registry, rateLimit: rateLimit, timeLimit: api.timeLimit).add(to: group)
    }
    if routes.contains(.health) { HealthRoutes(registry: registry).add(to: sized) }
  }
}

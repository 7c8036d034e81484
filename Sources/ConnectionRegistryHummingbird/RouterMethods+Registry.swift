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
  /// Errors leave these routes as problem documents (RFC 9457), and every answer carries `X-Request-Id`.
  ///
  /// - Parameters:
  ///   - registry: The registry that answers. Its `run()` must be running.
  ///   - routes: Which groups of routes to add.
  public func addRegistryRoutes(_ registry: ConnectionRegistry, _ routes: RegistryRoutes = .all) {
    let group = self.group().add(middleware: RequestIdentifierMiddleware<Context>())
      .add(middleware: ProblemMiddleware<Context>())
    if routes.contains(.webhooks) { WebhookRoutes(registry: registry).add(to: group) }
    if routes.contains(.callbacks) {
      CallbackRoutes(registry: registry).add(to: group)
      ConnectRoutes(registry: registry).add(to: group)
    }
    let operations = APIOperations(registry: registry)
    if routes.contains(.api) { operations.add(to: group) }
    if routes.contains(.documentation) { DocumentationRoutes(operations: operations.all).add(to: group) }
    if routes.contains(.gateway) { GatewayRoutes(registry: registry).add(to: group) }
    if routes.contains(.health) { HealthRoutes(registry: registry).add(to: group) }
  }
}

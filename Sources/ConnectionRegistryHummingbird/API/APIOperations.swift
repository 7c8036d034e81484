import ConnectionRegistry
import HTTPTypes
import Hummingbird

/// Every operation of `/v1`, in the order of the document.
struct APIOperations: Sendable {
  let registry: ConnectionRegistry
  let settings: APISettings
  let all: [APIOperation]

  init(registry: ConnectionRegistry, settings: APISettings = APISettings()) {
    self.registry = registry
    self.settings = settings
    all =
      SessionOperations.all(registry)
      + ConnectionOperations.all(registry)
      + [ConnectionOperations.deauthenticate(registry)]
      + AppUserOperations.all(registry)
      + EventOperations.all(registry)
      + ReceiptOperations.all(registry)
      + ReconciliationOperations.all(registry)
      + KeyOperations.all(registry)
      + ChangeOperations.all(registry)
      + EndpointOperations.all(registry)
      + DeliveryOperations.all(registry)
  }

  /// The methods that a known path answers with 405 where no operation has them.
  private static let methods: [HTTPRequest.Method] =
    [
      .get, .head, .post, .put, .patch, .delete, .options, .trace, .connect,
    ] + [HTTPRequest.Method("QUERY")].compactMap { $0 }

  /// Adds a route for each operation, and for each method that a path does not have.
  ///
  /// - Parameters:
  ///   - router: Where to add them.
  ///   - rateLimit: Holds keys to their rate.
  func add<Context: RequestContext>(to router: some RouterMethods<Context>, rateLimit: RateLimit) {
    let router = router.group().add(middleware: CrossOriginMiddleware<Context>(origins: settings.origins))
      .add(middleware: ProblemMiddleware<Context>()).add(middleware: RequestSizeMiddleware<Context>())
    for (path, operations) in Dictionary(grouping: all, by: \.path) {
      var known: Set<HTTPRequest.Method> = []
      for operation in operations {
        let responder = APIResponder(
          operation: operation, registry: registry, settings: settings, rateLimit: rateLimit)
        known.insert(operation.method)
        router.on(RouterPath(operation.path), method: operation.method) { request, context in
          try await responder.respond(to: request, context: context)
        }
        if operation.method == .get {
          known.insert(.head)
          router.on(RouterPath(operation.path), method: .head) { request, context in
            try await responder.respond(to: request, context: context).createHeadResponse()
          }
        }
      }
      let allow = known.map(\.rawValue).sorted().joined(separator: ", ")
      for method in Self.methods where !known.contains(method) {
        router.on(RouterPath(path), method: method) { _, _ -> Response in
          throw Problem(.methodNotAllowed, "This path takes \(allow).", headers: [.allow: allow])
        }
      }
    }
  }
}

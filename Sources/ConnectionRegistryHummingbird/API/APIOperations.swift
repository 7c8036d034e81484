import ConnectionRegistry
import HTTPTypes
import Hummingbird

/// Every operation of `/v1`, in the order of the document.
struct APIOperations: Sendable {
  let registry: ConnectionRegistry
  let all: [APIOperation]

  init(registry: ConnectionRegistry) {
    self.registry = registry
    all =
      SessionOperations.all(registry)
      + ConnectionOperations.all(registry)
      + [ConnectionOperations.deauthenticate(registry)]
      + AppUserOperations.all(registry)
      + ChangeOperations.all(registry)
  }

  /// The methods that a known path answers with 405 where no operation has them.
  private static let methods: [HTTPRequest.Method] = [
    .get, .head, .post, .put, .patch, .delete, .options, .trace, .connect,
  ]

  /// Adds a route for each operation, and for each method that a path does not have.
  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    for (path, operations) in Dictionary(grouping: all, by: \.path) {
      var known: Set<HTTPRequest.Method> = []
      for operation in operations {
        let responder = APIResponder(operation: operation, registry: registry)
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

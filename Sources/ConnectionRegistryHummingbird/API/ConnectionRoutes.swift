import ConnectionRegistry
import Hummingbird
import RegistryModel

/// `/v1/connections` and `/v1/app-users`: what is connected.
struct ConnectionRoutes: Sendable {
  let registry: ConnectionRegistry

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    router.get("v1/connections") { request, _ in
      let grant = try await APIAccess.grant(for: request, scope: .connectionsRead, registry: registry)
      let query = try QueryParameters(
        request, allowed: ["reference_id", "resource", "status", "limit", "cursor"])
      let filter = ConnectionFilter(
        referenceID: query["reference_id"], resource: query["resource"]?.uppercased(),
        statuses: try Self.statuses(query["status"]))
      return try JSONAnswer.response(
        try await registry.connections.list(tenant: grant.tenant, filter: filter, page: try query.page()))
    }
    router.get("v1/connections/{user_id}") { request, context in
      let grant = try await APIAccess.grant(for: request, scope: .connectionsRead, registry: registry)
      let userID = try Self.segment("user_id", context)
      return try JSONAnswer.response(try await registry.connections.show(tenant: grant.tenant, userID))
    }
    router.get("v1/app-users/{reference_id}") { request, context in
      let grant = try await APIAccess.grant(for: request, scope: .connectionsRead, registry: registry)
      let referenceID = try Self.segment("reference_id", context)
      return try JSONAnswer.response(try await registry.appUsers.show(tenant: grant.tenant, referenceID))
    }
  }

  /// A segment of the path, decoded; the router leaves `%2F` and its like as they came.
  private static func segment(_ name: String, _ context: some RequestContext) throws -> String {
    guard let text = PercentCoding.decode(try context.parameters.require(name)), !text.utf8.contains(0) else {
      throw Problem(
        .badRequest, "invalid_request", "The segment must be percent-encoded UTF-8 without NUL.", field: name)
    }
    return text
  }

  /// One or several states, separated by commas; `all` stands for every state.
  private static func statuses(_ text: String?) throws -> Set<ConnectionStatus>? {
    guard let text else { return nil }
    if text == "all" { return Set(ConnectionStatus.allCases) }
    return try Set(
      text.split(separator: ",").map { name in
        guard let status = ConnectionStatus(rawValue: String(name)) else {
          let possible = ConnectionStatus.allCases.map(\.rawValue).joined(separator: ", ")
          throw Problem(
            .badRequest, "invalid_request", "The value must be all, or of \(possible).", field: "status")
        }
        return status
      })
  }
}

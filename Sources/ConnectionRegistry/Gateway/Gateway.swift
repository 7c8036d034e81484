package import Foundation
import Logging
import Metrics
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Terra's own API for Terra's own clients: the calls of ``GatewayOperation`` go to Terra with the tenant's sealed key, and
/// what they begin, end or show is recorded.
///
/// Answers pass through as they are, errors of Terra's too. The registry's own errors have a form that Terra's clients
/// read.
public struct Gateway: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let keys: APIKeys
  let records: AuthSessionRecords
  let publicURL: String
  let terraDeadline: Duration
  let logger: Logger

  /// The largest body that is passed on, in bytes.
  public static let maximumBodyBytes = 1 << 20

  /// A call that may be made.
  public struct Admission: Sendable {
    /// What it is.
    public let operation: GatewayOperation
    /// The id of the key that it is made with.
    package let keyID: UUID
    let entry: TenantDirectory.Entry
  }

  /// Decides whether a call may be made, before its body is read.
  ///
  /// - Parameters:
  ///   - method: the request's method.
  ///   - path: the path behind `/terra`, as it came, without the query.
  ///   - apiKeys: the values of the header `x-api-key`: one key to the registry.
  ///   - devIDs: the values of the header `dev-id`: that of the key's tenant.
  /// - Returns: the call.
  /// - Throws: `not_found` for what is not on the list, `unauthenticated` for a key that does not hold or another
  ///   `dev-id`, `forbidden` without the scope, `database_unavailable`.
  public func admit(
    method: String, path: String, apiKeys: [String], devIDs: [String]
  ) async throws -> Admission {
    guard let operation = GatewayOperation(method: method, path: path) else {
      throw RegistryError(
        .notFound, "the gateway passes on calls of authentication only: for data ask Terra itself, with Terra's key")
    }
    guard apiKeys.count == 1, devIDs.count == 1 else {
      throw RegistryError(
        .unauthenticated, "send one x-api-key, a key of `registry key create`, and one dev-id, that of its tenant")
    }
    let grant: APIKeyGrant
    do {
      grant = try await keys.authenticate(apiKeys[0])
    } catch RegistryError.Code.unauthenticated {
      throw RegistryError(.unauthenticated, "the x-api-key is no valid key of `registry key create`")
    }
    guard let entry = try await directory.find(grant.tenant), entry.tenant.devID == devIDs[0] else {
      throw RegistryError(.unauthenticated, "the dev-id is not that of the x-api-key's tenant")
    }
    try grant.require(operation.scope)
    return Admission(operation: operation, keyID: grant.keyID, entry: entry)
  }

  /// Makes the call at Terra, and records it.
  ///
  /// - Parameters:
  ///   - admission: the call.
  ///   - rawQuery: its query without the question mark, as it came.
  ///   - contentType: the type of its body, as it came.
  ///   - accept: what the client takes, as it came.
  ///   - body: its body, up to ``maximumBodyBytes``.
  /// - Returns: Terra's answer.
  /// - Throws: `invalid_request`, `return_url_not_allowed`, `shadow_mode` for a deauthentication, `terra_unavailable`,
  ///   `terra_timed_out`, `terra_answer_unusable`, `database_unavailable`.
  public func answer(
    _ admission: Admission, rawQuery: String, contentType: String?, accept: String?, body: [UInt8]
  ) async throws -> GatewayAnswer {
    var call = TerraForwardedCall(
      method: admission.operation.forwardedMethod, target: admission.operation.target, rawQuery: rawQuery,
      contentType: contentType, accept: accept, body: body)
    let reply: TerraForwardedReply
    switch admission.operation {
    case .generateWidgetSession, .widgetSession, .authenticateUser, .generateAuthToken, .authTokens:
      reply = try await begin(&call, admission)
    case .deauthenticateUser: reply = try await end(call, admission)
    case .userInfo, .subscriptions, .bulkUserInfo: reply = try await look(call, admission)
    case .integrations, .detailedIntegrations: reply = try await send(call, admission)
    }
    Counter(
      label: "registry_gateway_calls_total",
      dimensions: [("operation", admission.operation.rawValue), ("status", String(reply.status))]
    ).increment()
    return GatewayAnswer(reply)
  }

  /// Passes a call on. One that changes nothing, or never arrived, is made again within the deadline.
  func send(_ call: TerraForwardedCall, _ admission: Admission) async throws -> TerraForwardedReply {
    do {
      return try await admission.entry.terraClient(deadline: terraDeadline)
        .retrying(isRepeatable: call.method == .get) { try await $0.forward(call) }
    } catch let error as TerraAPIError {
      throw TerraRefusal(error).problem
    }
  }
}

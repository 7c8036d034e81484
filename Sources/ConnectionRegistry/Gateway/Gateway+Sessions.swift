import Foundation
import RegistryModel
import RegistryTerra

extension Gateway {
  /// Begins a session: its row and its token are committed before Terra is asked.
  func begin(_ call: inout TerraForwardedCall, _ admission: Admission) async throws -> TerraForwardedReply {
    let tenant = admission.entry.tenant
    let asked = try GatewayRedirects(body: call.body, query: GatewayQuery(call.rawQuery), tenant: tenant)
    var draft = AuthSessionRecords.Draft(
      kind: Self.kind(admission.operation), channel: .gateway, referenceID: asked.referenceID,
      requestSHA256: Fingerprint.sha256(call.rawQuery.utf8 + [0] + call.body))
    if draft.kind == .direct {
      guard let name = asked.resource, let resource = try? Resource(name) else {
        throw RegistryError.invalid("resource", "names the provider, such as FITBIT, in the query or in the body")
      }
      draft.resource = resource
    }
    let token = AttemptToken()
    if draft.kind != .mobile {
      (draft.success, draft.failure) = (asked.success, asked.failure)
      draft.multiAuth = draft.kind == .widget && asked.isMultiAuth
      (call.body, call.rawQuery) = asked.wrapped(base: "\(publicURL)/callbacks/terra/\(tenant.slug)/\(token.text)")
    }
    let sessionID = UUID.version7()
    _ = try await records.begin(draft, sessionID, token, tenant)
    let reply: TerraForwardedReply
    do {
      reply = try await admission.entry.terraClient(deadline: terraDeadline)
        .retrying(isRepeatable: false) { [call] in try await $0.forward(call) }
    } catch let error as TerraAPIError {
      let refusal = TerraRefusal(error)
      await recording { try await records.refused(sessionID, refusal, tenant) }
      throw refusal.problem
    }
    await recording { [draft] in
      do {
        try await records.answered(draft, sessionID, Self.answer(reply, draft.kind), tenant)
      } catch let error as TerraAPIError {
        try await records.refused(sessionID, TerraRefusal(error, namesResource: draft.resource != nil), tenant)
      }
    }
    return reply
  }

  private static func kind(_ operation: GatewayOperation) -> AuthSession.Kind {
    switch operation {
    case .authenticateUser: .direct
    case .generateAuthToken, .authTokens: .mobile
    default: .widget
    }
  }

  private static func answer(
    _ reply: TerraForwardedReply, _ kind: AuthSession.Kind
  ) throws -> AuthSessionRecords.Answer {
    switch kind {
    case .direct:
      let answer = try reply.authentication()
      return .init(userID: answer.userID, url: answer.authURL, expiresIn: answer.expiresIn)
    case .widget:
      let answer = try reply.widgetSession()
      return .init(terraSessionID: answer.sessionID, url: answer.url, expiresIn: answer.expiresIn)
    case .mobile: return .init(expiresIn: try reply.authToken().expiresIn)
    }
  }
}

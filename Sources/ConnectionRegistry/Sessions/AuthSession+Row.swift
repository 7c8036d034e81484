import Foundation
import RegistryModel
import RegistryPostgres

extension AuthSession {
  init(row: PostgresRow) throws {
    guard let kind = Kind(rawValue: try row.decode("kind")),
      let channel = Channel(rawValue: try row.decode("channel")),
      let status = SessionStatus(rawValue: try row.decode("status"))
    else { throw RegistryError(.schemaNewer, "a session is of a kind that this version does not know") }
    let isBound = try row.decode("is_bound", as: Bool.self)
    self.init(
      sessionID: try row.decode("session_id"), kind: kind, status: status,
      referenceID: try row.decodeIfPresent("reference_id"), resource: try row.decodeIfPresent("resource"),
      multiAuth: try row.decode("multi_auth"), userID: try row.decodeIfPresent("user_id"),
      terraSessionID: try row.decodeIfPresent("terra_session_id"),
      // Terra's own URL would lead around the cookie.
      authURL: isBound ? nil : try row.decodeIfPresent("auth_url"),
      returnSuccess: try row.decodeIfPresent("return_success"),
      returnFailure: try row.decodeIfPresent("return_failure"), channel: channel,
      replaces: try row.decodeIfPresent("replaces"), isBound: isBound,
      refusedReason: try row.decodeIfPresent("refused_reason"), refusedCode: try row.decodeIfPresent("refused_code"),
      createdAt: try row.decode("created_at"),
      expiresAt: try row.decode("expires_at"))
  }
}

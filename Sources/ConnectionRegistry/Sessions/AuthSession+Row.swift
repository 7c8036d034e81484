import Foundation
import RegistryModel
import RegistryPostgres

extension AuthSession {
  init(row: PostgresRow) throws {
    guard let kind = Kind(rawValue: try row.decode("kind")),
      let status = SessionStatus(rawValue: try row.decode("status"))
    else { throw RegistryError(.schemaNewer, "a session is of a kind that this version does not know") }
    self.init(
      sessionID: try row.decode("session_id"), kind: kind, status: status,
      referenceID: try row.decodeIfPresent("reference_id"), resource: try row.decodeIfPresent("resource"),
      multiAuth: try row.decode("multi_auth"), userID: try row.decodeIfPresent("user_id"),
      terraSessionID: try row.decodeIfPresent("terra_session_id"), authURL: try row.decodeIfPresent("auth_url"),
      returnSuccess: try row.decode("return_success"), returnFailure: try row.decode("return_failure"),
      refusedReason: try row.decodeIfPresent("refused_reason"), createdAt: try row.decode("created_at"),
      expiresAt: try row.decode("expires_at"))
  }
}

import Foundation
import RegistryModel
import RegistryPostgres

extension RedirectCallback {
  init(row: PostgresRow) throws {
    guard let outcome = Outcome(rawValue: try row.decode("outcome")),
      let verdict = CallbackVerdict(rawValue: try row.decode("verdict"))
    else { throw RegistryError(.schemaNewer, "a callback is of a kind that this version does not know") }
    self.init(
      callbackID: try row.decode("callback_id"), recordedAt: try row.decode("recorded_at"),
      attemptSHA256: try row.decode("attempt_sha256"), sessionID: try row.decodeIfPresent("session_id"),
      outcome: outcome, verdict: verdict, userID: try row.decodeIfPresent("user_id"),
      referenceID: try row.decodeIfPresent("reference_id"), resource: try row.decodeIfPresent("resource"),
      reason: try row.decodeIfPresent("reason"), ambiguous: try row.decode("ambiguous"),
      rawQuery: try row.decode("raw_query"),
      isBound: try row.decodeIfPresent("is_bound"))
  }
}

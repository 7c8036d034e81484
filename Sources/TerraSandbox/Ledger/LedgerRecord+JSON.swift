extension LedgerRecord {
  /// The record as one line of the exported ledger, without a line break.
  ///
  /// Names are snake_case, `record` says which kind it is, moments are seconds since 1970, what is unknown is `null`.
  public var json: String { self.value.text }

  var value: JSONValue {
    switch self {
    case .attempt(let attempt):
      [
        "record": "attempt", "attempt_id": .string(attempt.attemptID), "tenant": .string(attempt.tenant),
        "kind": .string(attempt.kind.rawValue), "reference_id": .text(attempt.referenceID),
        "resource": .text(attempt.resource), "fault": .text(attempt.fault),
        "terra_session_id": .text(attempt.terraSessionID), "preissued_user_id": .text(attempt.preissuedUserID),
        "success_url": .text(attempt.successURL), "failure_url": .text(attempt.failureURL),
        "at": .number(attempt.at),
      ]
    case .session(let session):
      [
        "record": "session", "tenant": .string(session.tenant), "session_id": .string(session.sessionID),
        "attempt_token_sha256": .string(session.attemptTokenSHA256), "expires_at": .number(session.expiresAt),
        "reference_id": .text(session.referenceID), "resource": .text(session.resource),
        "multi_auth": .bool(session.isMultiAuth), "at": .number(session.at),
      ]
    case .outcome(let outcome):
      [
        "record": "outcome", "attempt_id": .string(outcome.attemptID), "tenant": .string(outcome.tenant),
        "outcome": .string(outcome.outcome.rawValue), "user_id": .text(outcome.userID), "at": .number(outcome.at),
      ]
    case .emission(let emission): Self.value(of: emission)
    case .delivery(let delivery):
      [
        "record": "delivery", "emission_id": .string(delivery.emissionID), "tenant": .string(delivery.tenant),
        "try": .integer(Int64(delivery.number)), "at": .number(delivery.at), "status": .count(delivery.status),
        "latency_seconds": .number(delivery.latencySeconds), "signed_at": .integer(delivery.signedAt),
      ]
    case .callback(let callback):
      [
        "record": "callback", "attempt_id": .text(callback.attemptID), "tenant": .string(callback.tenant),
        "token_sha256": .string(callback.tokenSHA256), "outcome": callback.isSuccess ? "success" : "failure",
        "claimed": [
          "user_id": .text(callback.claimedUserID), "reference_id": .text(callback.claimedReferenceID),
          "resource": .text(callback.claimedResource),
        ],
        "at": .number(callback.at), "status": .count(callback.status), "fault": .text(callback.fault),
      ]
    case .connection(let connection):
      [
        "record": "connection", "tenant": .string(connection.tenant), "user_id": .string(connection.userID),
        "state": connection.isLive ? "live" : "ended", "reference_id": .text(connection.referenceID),
        "resource": .string(connection.resource), "at": .number(connection.at),
      ]
    case .page(let page): page.json
    case .answer(let answer): answer.json
    }
  }

  private static func value(of emission: Emission) -> JSONValue {
    [
      "record": "emission", "emission_id": .string(emission.emissionID), "attempt_id": .text(emission.attemptID),
      "trace_id": .string(emission.traceID), "tenant": .string(emission.tenant), "type": .string(emission.type),
      "event_kind": .string(emission.eventKind), "user_id": .text(emission.userID),
      "old_user_id": .text(emission.oldUserID), "reference_id": .text(emission.referenceID),
      "old_reference_id": .text(emission.oldReferenceID), "resource": .text(emission.resource),
      "widget_session_id": .text(emission.widgetSessionID), "signed_at": .integer(emission.signedAt),
      "instant": .number(emission.instant), "secret": emission.hasRightSecret ? "right" : "wrong",
      "status_of_event": .text(emission.statusOfEvent), "body_sha256": .string(emission.bodySHA256),
      "dropped": .bool(emission.isDropped), "duplicate_of": .text(emission.duplicateOf),
      "at": .number(emission.at),
    ]
  }
}

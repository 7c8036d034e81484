package import Foundation
package import RegistryModel
package import RegistryPostgres
import RegistrySQL
package import RegistryTerra

/// What one authentic delivery writes, as statements of one transaction that reads nothing before.
package struct WebhookStatements {
  let tenantID: UUID
  let bodySHA256: [UInt8]
  let timestamp: Int64
  let instant: Instant
  let traceID: String?
  let channel: String

  package init(
    tenantID: UUID, bodySHA256: [UInt8], timestamp: Int64, instant: Instant, traceID: String?, channel: String
  ) {
    self.tenantID = tenantID
    self.bodySHA256 = bodySHA256
    self.timestamp = timestamp
    self.instant = instant
    self.traceID = traceID
    self.channel = channel
  }

  private var id: PostgresParameter { .uuid(tenantID) }
  private var bodyHex: String { Fingerprint.hex(bodySHA256) }

  /// The key by the signed time stands first: it is always there.
  private var deduplicationKeys: [String] {
    ["\(bodyHex):t:\(timestamp)"] + (traceID.map { ["\(bodyHex):trace:\($0)"] } ?? [])
  }

  /// The same content at the same instant is the same fact, whatever delivery brought it.
  private var factID: String { String(bodyHex.prefix(32)) }

  private var signedAt: PostgresParameter {
    .timestamp(microsecondsSince1970: Self.storable(Instant(secondsSince1970: timestamp)))
  }

  private var occurredAt: PostgresParameter { .timestamp(microsecondsSince1970: Self.storable(instant)) }

  /// Between the years 1 and 9999, which PostgreSQL and RFC 3339 both write.
  private static func storable(_ instant: Instant) -> Int64 {
    min(max(instant.microseconds, -62_135_596_800_000_000), 253_402_300_799_000_000)
  }

  /// What an accepted event writes.
  struct Acceptance {
    var statements: [BoundStatement] = []
    /// The `user_id`s whose rows are locked, or what deliveries of an event without one wait for each other at.
    var keys: [String] = []
    /// The number of the statement whose count of rows says whether the event is new; the one after it tells whom of the
    /// event's an erasure took out.
    var eventIndex = 0
  }

  /// The app users, the connections, the event and the connections' changes.
  ///
  /// All deliveries of one event join the same connections, so they wait for each other there, before any looks for
  /// the others' keys: of two at once, tied by one key of theirs only, the second finds what the first wrote.
  func accepting(_ event: TerraEvent, body: [UInt8]) -> Acceptance {
    let keys = deduplicationKeys
    let eventID = UUID.version7()
    let facts = event.facts(at: instant, factID: factID)
    var acceptance = Acceptance(keys: facts.isEmpty ? [meetingKey] : facts.map(\.userID))
    let named = Set([event.referenceID, event.oldConnection?.referenceID].compactMap { $0 })
    let subjects = ErasedSubject.named(by: event)
    let fence = ErasedSubject.fence(subjects, tenantID: tenantID)
    if !named.isEmpty {
      acceptance.statements.append(RegistryStatements.appUserInsert(id, .textArray(named.sorted()), fence))
    }
    for fact in facts {
      acceptance.statements.append(
        fact.registers.joinStatement(tenantID: tenantID, userID: fact.userID, fence: fence))
      if event.referenceID == nil, fact.userID == event.connection?.userID, let session = event.widgetSessionID {
        acceptance.statements.append(
          RegistryStatements.connectionTakeSessionReference(id, .text(fact.userID), .text(session)))
      }
    }
    // Without a connection they wait for each other at the body's own key.
    if facts.isEmpty { acceptance.statements.append(meeting(eventID, fence)) }
    acceptance.statements.append(RegistryStatements.authEventKeyClaim(id, .textArray(keys), .uuid(eventID), fence))
    acceptance.eventIndex = acceptance.statements.count
    acceptance.statements.append(
      RegistryStatements.authEventInsert(
        id, .text(keys[0]), signedAt, occurredAt, .text(channel), .text(Self.kind(event.kind)), .text(event.type),
        .text(event.status), .text(event.connection?.userID), .text(event.oldConnection?.userID),
        .text(event.referenceID), .text(event.oldConnection?.referenceID), .text(event.resource?.rawValue),
        .text(event.widgetSessionID), .text(event.reason), .text(traceID), .bytes(body), .bytes(bodySHA256), fence))
    acceptance.statements.append(ErasedSubject.find(subjects, tenantID: tenantID))
    for fact in facts {
      acceptance.statements += ConnectionTransition.statements(
        tenantID: tenantID, userID: fact.userID, cause: .event(eventID, key: keys[0]))
    }
    return acceptance
  }

  /// What an accepted event sends, for those who measure it.
  package func sending(_ event: TerraEvent, body: [UInt8]) -> [PostgresStatement] {
    accepting(event, body: body).statements.map(\.postgres)
  }

  /// What ``keeping(_:reason:type:userID:subjects:headers:body:)`` locks.
  var meetingKey: String { bodyHex }

  /// Makes deliveries of one body that come at once wait for the first.
  private func meeting(_ eventID: UUID, _ fence: PostgresParameter) -> BoundStatement {
    RegistryStatements.authEventKeyClaim(id, .textArray([meetingKey]), .uuid(eventID), fence)
  }

  /// The number of the statement of ``keeping(_:reason:type:userID:subjects:headers:body:)`` whose count of rows says
  /// whether the receipt is new.
  static let receiptIndex = 2

  /// A receipt of an authentic delivery that does not become an event; none where one of `subjects` was erased, which the
  /// last statement tells.
  func keeping(
    _ disposition: WebhookReceipt.Disposition, reason: String, type: String?, userID: String?,
    subjects: [ErasedSubject], headers: WebhookHeaders, body: [UInt8]
  ) -> [BoundStatement] {
    let keys = deduplicationKeys
    let fence = ErasedSubject.fence(subjects, tenantID: tenantID)
    let receiptID = UUID.version7()
    return [
      meeting(receiptID, fence),
      RegistryStatements.authEventKeyClaim(id, .textArray(keys), .uuid(receiptID), fence),
      RegistryStatements.webhookReceiptKeep(
        id, .text(keys[0]), .text(disposition.rawValue), .text(reason), signedAt, occurredAt, .text(type),
        .text(userID), .text(traceID), .text(headers.keptJSON), .bytes(body), .bytes(bodySHA256), .int(body.count),
        fence),
      ErasedSubject.find(subjects, tenantID: tenantID),
    ]
  }

  static func kind(_ kind: TerraEvent.Kind) -> String {
    switch kind {
    case .authSuccess: "auth_success"
    case .authFailure: "auth_failure"
    case .userReauth: "user_reauth"
    case .deauthentication: "deauthentication"
    case .accessRevoked: "access_revoked"
    case .connectionError: "connection_error"
    case .permissionChange: "permission_change"
    case .unknownAuthLike: "unknown"
    case .data: "data"
    }
  }
}

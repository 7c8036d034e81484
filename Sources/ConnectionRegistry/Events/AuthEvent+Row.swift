import Foundation
import RegistryPostgres

extension AuthEvent {
  init(row: PostgresRow) throws {
    self.init(
      eventID: try row.decode("event_id"), recordedAt: try row.decode("recorded_at"),
      signedAt: try row.decode("signed_at"), occurredAt: try row.decode("occurred_at"),
      channel: try row.decode("channel"), kind: try row.decode("kind"), type: try row.decode("type"),
      status: try row.decodeIfPresent("status"), userID: try row.decodeIfPresent("user_id"),
      oldUserID: try row.decodeIfPresent("old_user_id"), referenceID: try row.decodeIfPresent("reference_id"),
      oldReferenceID: try row.decodeIfPresent("old_reference_id"), resource: try row.decodeIfPresent("resource"),
      widgetSessionID: try row.decodeIfPresent("widget_session_id"), reason: try row.decodeIfPresent("reason"),
      traceID: try row.decodeIfPresent("trace_id"))
  }
}

extension WebhookReceipt {
  init(row: PostgresRow) throws {
    guard let disposition = Disposition(rawValue: try row.decode("disposition")) else {
      throw RegistryError(.schemaNewer, "a receipt has a disposition that this version does not know")
    }
    self.init(
      receiptID: try row.decode("receipt_id"), recordedAt: try row.decode("recorded_at"), disposition: disposition,
      reasonCode: try row.decode("reason_code"), signedAt: try row.decodeIfPresent("signed_at"),
      occurredAt: try row.decodeIfPresent("occurred_at"), type: try row.decodeIfPresent("type"),
      userID: try row.decodeIfPresent("user_id"), traceID: try row.decodeIfPresent("trace_id"),
      bodyBytes: try row.decode("body_bytes"))
  }
}

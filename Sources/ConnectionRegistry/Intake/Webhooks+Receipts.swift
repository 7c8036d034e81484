public import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// What became of a receipt that was looked at again.
public struct ReceiptOutcome: Sendable, Hashable, Codable {
  /// The receipt; an accepted event has its id.
  public var receiptID: UUID
  /// `accepted`; `duplicate` where the event was known; `erased` where it is about somebody who was erased meanwhile;
  /// `unknown_type` and `unreadable` where it is still so.
  public var disposition: String
}

extension Webhooks {
  /// Accepts a quarantined event by hand: it takes its place by its signed time, as if it had come in time.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - receiptID: the receipt's id.
  ///   - actor: who says so, for the audit.
  /// - Returns: what became of it; again it is a `duplicate`.
  /// - Throws: `tenant_unknown`, `not_found`, `wrong_disposition` for a receipt that is not in quarantine,
  ///   `database_unavailable`.
  public func accept(tenant: String, _ receiptID: UUID, by actor: String) async throws -> ReceiptOutcome {
    let entry = try await directory.require(tenant)
    let kept = try await KeptDelivery.read(entry.tenant, receiptID, from: database)
    guard kept.receipt.disposition == .quarantined else {
      throw RegistryError(
        .wrongDisposition,
        kept.receipt.disposition == .rejected
          ? "its signature does not hold: only an authentic delivery can be accepted"
          : "it is not in quarantine: replay it, to have it read again")
    }
    return try await takeAgain(kept, entry.tenant, AuditEntry("event.accept", of: kept, by: actor))
  }

  /// Reads an authentic delivery again that could not be read, or whose type was unknown, when it came: a newer version
  /// may know better.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - receiptID: the receipt's id.
  ///   - actor: who says so, for the audit.
  /// - Returns: what became of it.
  /// - Throws: `tenant_unknown`, `not_found`, `wrong_disposition` for a receipt that was rejected or is in quarantine,
  ///   `database_unavailable`.
  public func replay(tenant: String, _ receiptID: UUID, by actor: String) async throws -> ReceiptOutcome {
    let entry = try await directory.require(tenant)
    let kept = try await KeptDelivery.read(entry.tenant, receiptID, from: database)
    switch kept.receipt.disposition {
    case .unreadable, .unknownType:
      return try await takeAgain(kept, entry.tenant, AuditEntry("event.replay", of: kept, by: actor))
    case .quarantined:
      throw RegistryError(.wrongDisposition, "it is in quarantine: accept it, to have it taken in by hand")
    case .rejected:
      throw RegistryError(
        .wrongDisposition, "its signature does not hold: only an authentic delivery can be read again")
    }
  }

  private func takeAgain(_ kept: KeptDelivery, _ tenant: Tenant, _ audit: AuditEntry) async throws -> ReceiptOutcome {
    func outcome(_ disposition: WebhookAnswer.Disposition) -> ReceiptOutcome {
      ReceiptOutcome(receiptID: kept.receipt.receiptID, disposition: disposition.rawValue)
    }
    guard let signedAt = kept.receipt.signedAt, let occurredAt = kept.receipt.occurredAt,
      let event = try? TerraEvent.decode(kept.body)
    else { return outcome(.unreadable) }
    guard event.kind.isAuthentication else { return outcome(event.kind == .data ? .data : .unknownType) }
    let statements = WebhookStatements(
      tenantID: tenant.id, bodySHA256: kept.bodySHA256, timestamp: Int64(signedAt.timeIntervalSince1970.rounded()),
      instant: Instant(occurredAt), traceID: kept.receipt.traceID, channel: "webhook")
    return outcome(try await accept(event, body: kept.body, as: statements, audit: audit))
  }
}

extension AuditEntry {
  fileprivate init(_ action: String, of kept: KeptDelivery, by actor: String) {
    self.init(
      actor: actor, action: action, subject: kept.receipt.receiptID.text,
      detail: ["body_sha256": Fingerprint.hex(kept.bodySHA256)])
  }
}

/// A delivery as it was kept.
private struct KeptDelivery {
  var receipt: WebhookReceipt
  var body: [UInt8]
  var bodySHA256: [UInt8]

  static func read(
    _ tenant: Tenant, _ receiptID: UUID, from database: RegistryDatabase
  ) async throws -> KeptDelivery {
    let id = PostgresParameter.uuid(tenant.id)
    let results = try await database.run(
      tenant.id,
      [
        WebhookReceipts.one(id, receiptID),
        RegistryStatements.webhookReceiptBody(id, .uuid(receiptID)),
      ])
    guard results.count == 2, let row = results[0].rows.first, let kept = results[1].rows.first else {
      throw RegistryError.notFound("receipt")
    }
    let body = try kept.decode("body", as: [UInt8].self)
    return KeptDelivery(receipt: try WebhookReceipt(row: row), body: body, bodySHA256: Fingerprint.sha256(body))
  }
}

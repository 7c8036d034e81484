public import Foundation
import RegistryPostgres
import RegistrySQL

/// The deliveries of a tenant that did not become events.
public struct WebhookReceipts: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory

  /// Lists receipts in the order in which they were recorded.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - filter: which receipts.
  ///   - page: which part.
  /// - Returns: a page of receipts.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, filter: WebhookReceiptFilter = WebhookReceiptFilter(), page: Page = Page()
  ) async throws -> Listed<WebhookReceipt> {
    let id = try await directory.require(tenant).tenant.id
    let cursors = directory.cursors("receipts", of: id, filter: filter.texts)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      id,
      RegistryStatements.webhookReceiptList(
        .uuid(id), .null, .text(filter.disposition?.rawValue), .timestamp(cursor?.at), .uuid(try cursor?.uuid),
        .int(page.limit + 1), .text(filter.userID), .timestamp(filter.recorded.since),
        .timestamp(filter.recorded.until))
    ).rows.map(WebhookReceipt.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.recordedAt, id: $0.receiptID.text) }
  }

  /// Shows one receipt with what was kept of its body.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - receiptID: its id.
  /// - Returns: the receipt and its body.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ receiptID: UUID) async throws -> WebhookReceiptDetail {
    let id = try await directory.require(tenant).tenant.id
    let results = try await database.run(
      id,
      [
        Self.one(.uuid(id), receiptID),
        RegistryStatements.webhookReceiptBody(.uuid(id), .uuid(receiptID)),
      ])
    guard results.count == 2, let row = results[0].rows.first, let body = results[1].rows.first else {
      throw RegistryError.notFound("receipt")
    }
    return WebhookReceiptDetail(
      receipt: try WebhookReceipt(row: row),
      body: String(decoding: try body.decode("body", as: [UInt8].self), as: UTF8.self))
  }

  /// The statement for one receipt.
  static func one(_ tenantID: PostgresParameter, _ receiptID: UUID) -> BoundStatement {
    RegistryStatements.webhookReceiptList(
      tenantID, .uuid(receiptID), .null, .null, .null, .int(1), .null, .null, .null)
  }
}

/// Which receipts are wanted. What is nil does not limit.
public struct WebhookReceiptFilter: Sendable, Hashable {
  /// Of this kind.
  public var disposition: WebhookReceipt.Disposition?
  /// That name this connection, where it could be read.
  public var userID: String?
  /// Recorded in this span.
  public var recorded: TimeRange

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - disposition: of this kind.
  ///   - userID: that name this connection.
  ///   - recorded: recorded in this span.
  public init(
    disposition: WebhookReceipt.Disposition? = nil, userID: String? = nil, recorded: TimeRange = TimeRange()
  ) {
    self.disposition = disposition
    self.userID = userID
    self.recorded = recorded
  }

  /// The filter as texts, for what cursors hold for.
  var texts: [String?] { [disposition?.rawValue, userID] + recorded.texts }
}

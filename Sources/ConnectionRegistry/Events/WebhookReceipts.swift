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
  ///   - disposition: of this kind only.
  ///   - page: which part.
  /// - Returns: a page of receipts.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, disposition: WebhookReceipt.Disposition? = nil, page: Page = Page()
  ) async throws -> Listed<WebhookReceipt> {
    let id = try await directory.require(tenant).tenant.id
    let cursor = try Cursor(page: page)
    let rows = try await database.run(
      id,
      RegistryStatements.webhookReceiptList(
        .uuid(id), .null, .text(disposition?.rawValue), .timestamp(cursor?.at), .uuid(try cursor?.uuid),
        .int(page.limit + 1))
    ).rows.map(WebhookReceipt.init(row:))
    return Listed(rows, limit: page.limit) { Cursor(at: $0.recordedAt, id: $0.receiptID.text) }
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
        RegistryStatements.webhookReceiptList(.uuid(id), .uuid(receiptID), .null, .null, .null, .int(1)),
        RegistryStatements.webhookReceiptBody(.uuid(id), .uuid(receiptID)),
      ])
    guard results.count == 2, let row = results[0].rows.first, let body = results[1].rows.first else {
      throw RegistryError.notFound("receipt")
    }
    return WebhookReceiptDetail(
      receipt: try WebhookReceipt(row: row),
      body: String(decoding: try body.decode("body", as: [UInt8].self), as: UTF8.self))
  }
}

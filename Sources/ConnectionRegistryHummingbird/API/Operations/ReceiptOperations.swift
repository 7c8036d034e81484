import ConnectionRegistry
import Foundation
import HTTPTypes

/// `/v1/receipts`: deliveries that did not become events.
enum ReceiptOperations {
  private static let receiptID = APIParameter.path("receipt_id", .uuid, "The receipt's id.")

  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [list(registry), show(registry), accept(registry), replay(registry)]
  }

  private static func list(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/receipts", id: "listReceipts", tag: .receipts, scope: .connectionsRead, summary: "List receipts",
      description: """
        Deliveries that did not become events: rejected, quarantined, unreadable, of unknown type; in the order in which \
        they were recorded.
        """,
      parameters: [
        .query("disposition", .choice(of: WebhookReceipt.Disposition.self), "Only of this kind."),
        .query("user_id", .text(1...256), "Only those that name this connection, where it could be read."),
      ] + APIParameter.span("recorded") + APIParameter.page,
      answer: .page(
        of: EventSchemas.receipt, "A page of receipts.",
        links: [.to("showReceipt", "receipt_id", from: "/items/0/receipt_id")])
    ) { call in
      let filter = WebhookReceiptFilter(
        disposition: call.query.choice("disposition"), userID: call.query["user_id"], recorded: call.query.span())
      return try .page(await registry.receipts.list(tenant: call.tenant, filter: filter, page: call.query.page))
    }
  }

  private static func show(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/receipts/{receipt_id}", id: "showReceipt", tag: .receipts, scope: .connectionsRead,
      summary: "Show a receipt", description: "One receipt; with `body=true` what was kept of the body too.",
      parameters: [receiptID, .query("body", .boolean, "Whether to show the body.")], hasEntityTag: true,
      answer: .ok(EventSchemas.receiptDetail, "The receipt.")
    ) { call in
      let detail = try await registry.receipts.show(tenant: call.tenant, call.id("receipt_id"))
      return try .json(ReceiptAnswer(receipt: detail.receipt, body: call.query.flag("body") ? detail.body : nil))
    }
  }

  private static func accept(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/receipts/{receipt_id}/accept", id: "acceptReceipt", tag: .receipts, scope: .eventsIngest,
      summary: "Accept a quarantined event",
      description: """
        Takes in an event that stands in quarantine, at the place of its signed time, as if it had come in time. Again \
        it is a `duplicate`.
        """,
      parameters: [receiptID], idempotency: .kept, answer: outcome, problems: [.wrongDisposition]
    ) { call in
      try .json(await registry.webhooks.accept(tenant: call.tenant, call.id("receipt_id"), by: call.actor))
    }
  }

  private static func replay(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/receipts/{receipt_id}/replay", id: "replayReceipt", tag: .receipts, scope: .eventsIngest,
      summary: "Read a delivery again",
      description: """
        Reads an authentic delivery again that could not be read, or whose type was unknown, when it came: a newer \
        version may know better.
        """,
      parameters: [receiptID], idempotency: .kept, answer: outcome, problems: [.wrongDisposition]
    ) { call in
      try .json(await registry.webhooks.replay(tenant: call.tenant, call.id("receipt_id"), by: call.actor))
    }
  }

  private static let outcome = APIAnswer.ok(EventSchemas.outcome, "What became of it.")
}

/// One receipt, with its body where it was asked for.
struct ReceiptAnswer: Encodable {
  var receipt: WebhookReceipt
  var body: String?
}

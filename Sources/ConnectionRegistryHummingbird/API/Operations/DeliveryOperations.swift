import ConnectionRegistry
import Foundation
import HTTPTypes

/// `/v1/deliveries`: what was and is to be told to endpoints.
enum DeliveryOperations {
  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
      APIOperation(
        .get, "/v1/deliveries", id: "listDeliveries", tag: .deliveries, scope: .connectionsRead,
        summary: "List deliveries",
        description: "Deliveries, oldest first, without their bodies; settled ones are kept for 30 days.",
        parameters: [
          .query("endpoint_id", .uuid, "Only to this endpoint."),
          .query("state", .choice(of: Delivery.State.self), "Only in this state."),
          .query("user_id", .text(1...256), "Only about this connection."),
        ] + APIParameter.span("made") + APIParameter.page,
        answer: .page(
          of: DeliverySchemas.delivery, "A page of deliveries.",
          links: [
            .to("showDelivery", "delivery_id", from: "/items/0/delivery_id"),
            .to("showEndpoint", "endpoint_id", from: "/items/0/endpoint_id"),
          ])
      ) { call in
        let filter = DeliveryFilter(
          endpointID: call.query["endpoint_id"].flatMap(UUID.init(uuidString:)), state: call.query.choice("state"),
          userID: call.query["user_id"], created: call.query.span())
        return try .page(await registry.deliveries.list(tenant: call.tenant, filter: filter, page: call.query.page))
      },
      APIOperation(
        .get, "/v1/deliveries/{delivery_id}", id: "showDelivery", tag: .deliveries, scope: .connectionsRead,
        summary: "Show a delivery", description: "One delivery with its body.",
        parameters: [.path("delivery_id", .uuid, "The delivery's id, its `webhook-id`.")], hasEntityTag: true,
        answer: .ok(
          DeliverySchemas.detail, "The delivery and its body.",
          links: [.to("retryDelivery", "delivery_id", from: "/delivery/delivery_id")])
      ) { call in
        try .json(await registry.deliveries.show(tenant: call.tenant, call.id("delivery_id")))
      },
      APIOperation(
        .post, "/v1/deliveries/{delivery_id}/retry", id: "retryDelivery", tag: .deliveries, scope: .admin,
        summary: "Send a delivery again",
        description: "Makes it due at once, whatever became of it so far; it keeps its id and its body.",
        parameters: [.path("delivery_id", .uuid, "The delivery's id, its `webhook-id`.")], idempotency: .kept,
        answer: .ok(DeliverySchemas.delivery, "The delivery, pending.")
      ) { call in
        try .json(await registry.deliveries.retry(tenant: call.tenant, call.id("delivery_id")))
      },
    ]
  }
}

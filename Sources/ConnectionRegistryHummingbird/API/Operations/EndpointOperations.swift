import ConnectionRegistry
import Foundation
import HTTPTypes
import RegistryModel

/// `/v1/endpoints`: where the team's backend takes deliveries.
enum EndpointOperations {
  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [add(registry), list(registry), show(registry), update(registry), remove(registry)] + acts(registry)
  }

  private static let path = "/v1/endpoints/{endpoint_id}"
  private static let parameters = [APIParameter.path("endpoint_id", .uuid, "The endpoint's id.")]

  private static func add(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/endpoints", id: "addEndpoint", tag: .endpoints, scope: .admin, summary: "Add an endpoint",
      description: """
        Every change that is committed from now on is sent to it, each connection's in order, with the headers and \
        signatures of Standard Webhooks, until it answers with a status of the two hundreds. The secret is shown once.
        """,
      body: DeliverySchemas.new, idempotency: .kept,
      answer: .created(
        DeliverySchemas.withSecret, "The endpoint and its secret.",
        links: [
          "showEndpoint", "updateEndpoint", "pingEndpoint", "rotateEndpointSecret", "disableEndpoint", "enableEndpoint",
          "replayDeliveries", "removeEndpoint",
        ].map { .to($0, "endpoint_id", from: "/endpoint/endpoint_id") }),
      problems: [.limitReached]
    ) { call in
      let added = try await registry.endpoints.add(
        tenant: call.tenant, try call.body(NewEndpointBody.self).endpoint, by: call.actor)
      return try .json(
        added, status: .created, location: "/v1/endpoints/\(added.endpoint.endpointID.text)")
    }
  }

  private static func list(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/endpoints", id: "listEndpoints", tag: .endpoints, scope: .connectionsRead, summary: "List endpoints",
      description: "Endpoints, oldest first, disabled ones too, without their secrets.",
      parameters: APIParameter.page,
      answer: .page(
        of: DeliverySchemas.endpoint, "A page of endpoints.",
        links: [.to("showEndpoint", "endpoint_id", from: "/items/0/endpoint_id")])
    ) { call in
      try .page(await registry.endpoints.list(tenant: call.tenant, page: call.query.page))
    }
  }

  private static func show(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, path, id: "showEndpoint", tag: .endpoints, scope: .connectionsRead, summary: "Show an endpoint",
      description: "One endpoint, without its secret.", parameters: parameters, hasEntityTag: true,
      answer: .ok(DeliverySchemas.endpoint, "The endpoint.")
    ) { call in
      try .json(await registry.endpoints.show(tenant: call.tenant, call.id("endpoint_id")))
    }
  }

  private static func update(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .patch, path, id: "updateEndpoint", tag: .endpoints, scope: .admin, summary: "Change an endpoint",
      description: """
        Changes what is named. What already waits goes to the new URL. `If-Match` takes the `ETag` of this operation's own \
        answers or of "Show an endpoint".
        """,
      parameters: parameters, body: DeliverySchemas.changes, hasEntityTag: true,
      answer: .ok(DeliverySchemas.endpoint, "The endpoint as it is now.")
    ) { call in
      var expected: (@Sendable (Endpoint) -> Bool)?
      if call.hasPrecondition { expected = { call.isExpected($0) } }
      return try .json(
        await registry.endpoints.update(
          tenant: call.tenant, call.id("endpoint_id"), call.body(EndpointChangesBody.self).changes,
          expected: expected, by: call.actor))
    }
  }

  private static func remove(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .delete, path, id: "removeEndpoint", tag: .endpoints, scope: .admin, summary: "Remove an endpoint",
      description: "Removes it with its secret and everything that waits for it.", parameters: parameters,
      answer: .noContent("It is removed.")
    ) { call in
      try await registry.endpoints.remove(tenant: call.tenant, call.id("endpoint_id"), by: call.actor)
      return .noContent
    }
  }

  private static func acts(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
      APIOperation(
        .post, path + "/rotate-secret", id: "rotateEndpointSecret", tag: .endpoints, scope: .admin,
        summary: "Rotate an endpoint's secret",
        description: "Gives it a new secret, shown once; for some time deliveries are signed with both.",
        parameters: parameters, body: DeliverySchemas.rotation, bodyIsOptional: true, idempotency: .kept,
        answer: .ok(DeliverySchemas.withSecret, "The endpoint and its new secret.")
      ) { call in
        let overlap = try call.body(SecretRotationBody.self).overlapSeconds.map { Duration.seconds($0) }
        return try .json(
          await registry.endpoints.rotateSecret(
            tenant: call.tenant, call.id("endpoint_id"), overlap: overlap ?? Endpoints.defaultOverlap,
            by: call.actor))
      },
      APIOperation(
        .post, path + "/ping", id: "pingEndpoint", tag: .endpoints, scope: .admin, summary: "Send a test delivery",
        description: "Sends a delivery of the type `ping`; its detail tells what came of it.", parameters: parameters,
        idempotency: .kept,
        answer: .created(
          DeliverySchemas.delivery, "The delivery, which waits to be sent.",
          links: [.to("showDelivery", "delivery_id", from: "/delivery_id")]),
        problems: [.endpointDisabled]
      ) { call in
        let delivery = try await registry.endpoints.ping(tenant: call.tenant, call.id("endpoint_id"))
        return try .json(
          delivery, status: .created, location: "/v1/deliveries/\(delivery.deliveryID.text)")
      },
      APIOperation(
        .post, path + "/enable", id: "enableEndpoint", tag: .endpoints, scope: .admin, summary: "Enable an endpoint",
        description: "What waited is due at once, and what changed while it was disabled, each connection's in order.",
        parameters: parameters, idempotency: .kept,
        answer: .ok(DeliverySchemas.endpoint, "The endpoint as it is now.")
      ) { call in
        try .json(await registry.endpoints.enable(tenant: call.tenant, call.id("endpoint_id"), by: call.actor))
      },
      APIOperation(
        .post, path + "/disable", id: "disableEndpoint", tag: .endpoints, scope: .admin,
        summary: "Disable an endpoint",
        description: "Stops its deliveries until it is enabled; changes of the meantime wait for it, for 30 days.",
        parameters: parameters, idempotency: .kept,
        answer: .ok(DeliverySchemas.endpoint, "The endpoint as it is now.")
      ) { call in
        try .json(await registry.endpoints.disable(tenant: call.tenant, call.id("endpoint_id"), by: call.actor))
      },
      APIOperation(
        .post, path + "/replay", id: "replayDeliveries", tag: .endpoints, scope: .admin, summary: "Replay changes",
        description: """
          Sends a range of changes in order, those it had before and those from before it was added. A change keeps the \
          id it had, so a receiver can tell a repetition.
          """,
        parameters: parameters, body: DeliverySchemas.replay, bodyIsOptional: true, idempotency: .kept,
        answer: .ok(DeliverySchemas.replayed, "How many changes go out.")
      ) { call in
        try .json(
          await registry.deliveries.replay(
            tenant: call.tenant, endpoint: call.id("endpoint_id"), call.body(ReplayBody.self).range))
      },
    ]
  }
}

/// The body of `POST /v1/endpoints`.
private struct NewEndpointBody: StrictBody {
  var url: String
  var description: String?
  var statuses: Set<ConnectionStatus>?
  var findingTypes: Set<FindingTransitionType>?

  var endpoint: NewEndpoint {
    NewEndpoint(url: url, description: description ?? "", statuses: statuses, findingTypes: findingTypes ?? [])
  }
}

/// The body of `PATCH /v1/endpoints/{endpoint_id}`: null and absent differ.
private struct EndpointChangesBody: StrictBody {
  private enum CodingKeys: String, CodingKey {
    case url, description, statuses, findingTypes
  }

  let changes: EndpointChanges

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    var changes = EndpointChanges(
      url: try values.decodeIfPresent(String.self, forKey: .url),
      description: try values.decodeIfPresent(String.self, forKey: .description),
      findingTypes: try values.decodeIfPresent(Set<FindingTransitionType>.self, forKey: .findingTypes))
    if values.contains(.statuses) {
      changes.statuses = .some(try values.decodeIfPresent(Set<ConnectionStatus>.self, forKey: .statuses))
    }
    self.changes = changes
  }
}

/// The body of `POST /v1/endpoints/{endpoint_id}/rotate-secret`.
private struct SecretRotationBody: StrictBody {
  var overlapSeconds: Int?
}

/// The body of `POST /v1/endpoints/{endpoint_id}/replay`.
private struct ReplayBody: StrictBody {
  var since: Date?
  var until: Date?
  var userID: String?
  var fromSequence: Int64?
  var toSequence: Int64?

  var range: DeliveryReplay {
    DeliveryReplay(since: since, until: until, userID: userID, fromSequence: fromSequence, toSequence: toSequence)
  }
}

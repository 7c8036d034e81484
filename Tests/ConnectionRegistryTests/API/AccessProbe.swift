@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import RegistryModel
import RegistryPostgres
import TerraSandbox
import Testing

/// How the access matrix asks for one operation.
struct AccessProbe: Sendable {
  /// What another tenant's key, which may do everything there, gets for the same request.
  enum Stranger: Sendable {
    /// Nothing stands at the path: 404.
    case notFound
    /// A list in which nothing of the first tenant stands.
    case sees
    /// It acts on its own tenant: nothing of the first tenant changes, and nothing of it is shown.
    case acts
  }

  var path: String
  var body: String?
  /// What a key with the operation's scope alone gets.
  var status: Int
  var stranger: Stranger
  var contentType = "application/json"
}

/// Real objects of one tenant, for the paths of operations.
struct AccessSubjects: Sendable {
  /// Stands in everything that the first tenant has, so that a leak is seen.
  static let mark = "of-acme-only"

  let sessionID: UUID
  let eventID: UUID
  let callbackID: UUID
  let runID: UUID
  let findingID: UUID
  let keyID: UUID
  /// One that is revoked.
  let spareKeyID: UUID
  let endpointID: UUID
  /// One that is removed, and one that is disabled.
  let spareEndpointIDs: [UUID]
  let deliveryID: UUID
  /// One in quarantine, and one that cannot be read.
  let receiptIDs: [UUID]
  let userID = "user-\(mark)"
  let person = "person-\(mark)"
  let otherPerson = "other-\(mark)"
  let erasablePerson = "erasable-\(mark)"

  /// Makes them.
  static func make(_ http: HTTPStage) async throws -> AccessSubjects {
    let registry = http.stage.registry
    for (user, person) in [
      ("user-\(mark)", "person-\(mark)"), ("second-\(mark)", "other-\(mark)"), ("third-\(mark)", "erasable-\(mark)"),
    ] {
      try await http.stage.deliver(Payload.auth(user, reference: person))
    }
    // Whoever is unknown to Terra ends only where Terra knows another.
    let witness = try await http.stage.sandbox.connectOutsideSession(
      tenant: "acme", referenceID: "witness-\(mark)", resource: "OURA")
    try await http.stage.deliver(Payload.auth(witness, reference: "witness-\(mark)"))
    let session = try await http.stage.open("GARMIN", reference: "person-\(mark)")
    try await http.stage.visit(session.token, "user_id=\(mark)&reference_id=person-\(mark)&resource=GARMIN")
    try await http.stage.visit("AAAAAAAAAAAAAAAAAAAAAA", "user_id=\(mark)")
    try await http.stage.expect(Delivery(Payload.auth("late-\(mark)"), at: -4 * 86_400), .quarantined)
    try await http.stage.expect(Delivery(#"{"type":"auth","status":"success","user":7}"#), .unreadable)
    let receipts = try await registry.receipts.list(tenant: "acme").items.map(\.receiptID)
    let run = try await registry.reconciliations.run(tenant: "acme")
    let key = try await registry.keys.create(tenant: "acme", name: mark, scopes: [.connectionsRead])
    let spare = try await registry.keys.create(tenant: "acme", name: mark, scopes: [.connectionsRead])
    var endpoints: [UUID] = []
    for number in 1...3 {
      let new = NewEndpoint(url: "http://127.0.0.1:9/\(mark)/\(number)", description: mark)
      endpoints.append(try await registry.endpoints.add(tenant: "acme", new).endpoint.endpointID)
    }
    let ping = try await registry.endpoints.ping(tenant: "acme", endpoints[0])
    try await http.stage.owner.execute(
      """
      INSERT INTO registry.change_consumer (tenant_id, name, position, user_id, sequence)
      SELECT tenant_id, $1, 0, '', 0 FROM registry.tenant WHERE slug = 'acme'
      """, [.text(mark)])
    return AccessSubjects(
      sessionID: session.id, eventID: try #require(try await registry.events.list(tenant: "acme").items.first).eventID,
      callbackID: try #require(try await registry.callbacks.list(tenant: "acme").items.first).callbackID,
      runID: run.runID,
      findingID: try #require(try await registry.findings.list(tenant: "acme").items.first).id, keyID: key.key.keyID,
      spareKeyID: spare.key.keyID,
      endpointID: endpoints[0], spareEndpointIDs: Array(endpoints[1...]), deliveryID: ping.deliveryID,
      receiptIDs: receipts)
  }

  /// How each operation is asked for, by its id. An operation that is not here fails the matrix.
  var probes: [String: AccessProbe] {
    let returns = #""success":"\#(Stage.returnURL)","failure":"\#(Stage.failureURL)""#
    let endpoint = "/v1/endpoints/\(endpointID.text)"
    return [
      "addEndpoint": AccessProbe(
        path: "/v1/endpoints", body: #"{"url":"http://127.0.0.1:9/made"}"#, status: 201, stranger: .acts),
      "listEndpoints": AccessProbe(path: "/v1/endpoints", status: 200, stranger: .sees),
      "showEndpoint": AccessProbe(path: endpoint, status: 200, stranger: .notFound),
      "updateEndpoint": AccessProbe(path: endpoint, body: #"{"description":"x"}"#, status: 200, stranger: .notFound),
      "removeEndpoint": AccessProbe(
        path: "/v1/endpoints/\(spareEndpointIDs[0].text)", status: 204, stranger: .notFound),
      "rotateEndpointSecret": AccessProbe(path: endpoint + "/rotate-secret", status: 200, stranger: .notFound),
      "pingEndpoint": AccessProbe(path: endpoint + "/ping", status: 201, stranger: .notFound),
      "enableEndpoint": AccessProbe(path: endpoint + "/enable", status: 200, stranger: .notFound),
      "disableEndpoint": AccessProbe(
        path: "/v1/endpoints/\(spareEndpointIDs[1].text)/disable", status: 200, stranger: .notFound),
      "replayDeliveries": AccessProbe(path: endpoint + "/replay", status: 200, stranger: .notFound),
      "listDeliveries": AccessProbe(path: "/v1/deliveries", status: 200, stranger: .sees),
      "showDelivery": AccessProbe(path: "/v1/deliveries/\(deliveryID.text)", status: 200, stranger: .notFound),
      "retryDelivery": AccessProbe(path: "/v1/deliveries/\(deliveryID.text)/retry", status: 200, stranger: .notFound),
      "openSession": AccessProbe(
        path: "/v1/sessions", body: #"{"resource":"FITBIT",\#(returns)}"#, status: 201, stranger: .acts),
      "listSessions": AccessProbe(path: "/v1/sessions", status: 200, stranger: .sees),
      "showSession": AccessProbe(path: "/v1/sessions/\(sessionID.text)", status: 200, stranger: .notFound),
      "listConnections": AccessProbe(path: "/v1/connections", status: 200, stranger: .sees),
      "showConnection": AccessProbe(path: "/v1/connections/\(userID)", status: 200, stranger: .notFound),
      "tagConnection": AccessProbe(
        path: "/v1/connections/\(userID)", body: #"{"tags":{"a":"b"}}"#, status: 200, stranger: .notFound),
      "deauthenticateConnection": AccessProbe(
        path: "/v1/connections/\(userID)/deauthenticate", status: 200, stranger: .notFound),
      "listAppUsers": AccessProbe(path: "/v1/app-users", status: 200, stranger: .sees),
      "showAppUser": AccessProbe(path: "/v1/app-users/\(person)", status: 200, stranger: .notFound),
      "tagAppUser": AccessProbe(
        path: "/v1/app-users/\(person)", body: #"{"tags":{"a":"b"}}"#, status: 200, stranger: .notFound),
      "mergeAppUser": AccessProbe(
        path: "/v1/app-users/\(otherPerson)/merge", body: #"{"into":"\#(person)"}"#, status: 200, stranger: .notFound),
      "ingestEvents": AccessProbe(
        path: "/v1/events", body: #"{"event":{"type":"healthcheck"}}"#, status: 200, stranger: .acts,
        contentType: "application/x-ndjson"),
      "listReceipts": AccessProbe(path: "/v1/receipts", status: 200, stranger: .sees),
      "showReceipt": AccessProbe(path: "/v1/receipts/\(receiptIDs[0].text)", status: 200, stranger: .notFound),
      "acceptReceipt": AccessProbe(
        path: "/v1/receipts/\(receiptIDs[0].text)/accept", status: 200, stranger: .notFound),
      "replayReceipt": AccessProbe(
        path: "/v1/receipts/\(receiptIDs[1].text)/replay", status: 200, stranger: .notFound),
      "exportAppUser": AccessProbe(path: "/v1/app-users/\(person)/export", status: 200, stranger: .notFound),
      "eraseAppUser": AccessProbe(path: "/v1/app-users/\(erasablePerson)", status: 200, stranger: .notFound),
      "listEvents": AccessProbe(path: "/v1/events", status: 200, stranger: .sees),
      "showEvent": AccessProbe(path: "/v1/events/\(eventID.text)", status: 200, stranger: .notFound),
      "listCallbacks": AccessProbe(path: "/v1/callbacks", status: 200, stranger: .sees),
      "showCallback": AccessProbe(path: "/v1/callbacks/\(callbackID.text)", status: 200, stranger: .notFound),
      "runReconciliation": AccessProbe(path: "/v1/reconciliations", status: 202, stranger: .acts),
      "rehearseReconciliation": AccessProbe(path: "/v1/reconciliations/rehearsal", status: 200, stranger: .acts),
      "listReconciliations": AccessProbe(path: "/v1/reconciliations", status: 200, stranger: .sees),
      "showReconciliation": AccessProbe(path: "/v1/reconciliations/\(runID.text)", status: 200, stranger: .notFound),
      "listFindings": AccessProbe(path: "/v1/findings", status: 200, stranger: .sees),
      "showFinding": AccessProbe(path: "/v1/findings/\(findingID.text)", status: 200, stranger: .notFound),
      "acknowledgeFinding": AccessProbe(
        path: "/v1/findings/\(findingID.text)/acknowledge", body: #"{"by":"zoë","reason":"known"}"#, status: 200,
        stranger: .notFound),
      "undoRepair": AccessProbe(
        path: "/v1/findings/\(findingID.text)/undo", body: #"{"by":"zoë","reason":"known"}"#, status: 409,
        stranger: .notFound),
      "listChanges": AccessProbe(path: "/v1/changes", status: 200, stranger: .sees),
      "createAPIKey": AccessProbe(
        path: "/v1/api-keys", body: #"{"name":"made","scopes":["connections:read"]}"#, status: 201, stranger: .acts),
      "listAPIKeys": AccessProbe(path: "/v1/api-keys", status: 200, stranger: .sees),
      "showAPIKey": AccessProbe(path: "/v1/api-keys/\(keyID.text)", status: 200, stranger: .notFound),
      "rotateAPIKey": AccessProbe(path: "/v1/api-keys/\(keyID.text)/rotate", status: 201, stranger: .notFound),
      "revokeAPIKey": AccessProbe(path: "/v1/api-keys/\(spareKeyID.text)/revoke", status: 200, stranger: .notFound),
    ]
  }
}

@testable import ConnectionRegistry
import Foundation
import NIOCore
import RegistryModel
import RegistryPostgres
import RegistryTerra
import Testing

/// Bodies as Terra sends them.
enum Payload {
  static func user(_ id: String, _ reference: String?, _ resource: String?, scopes: String? = nil) -> String {
    var members = ["\"user_id\":\(text(id))"]
    if let reference { members.append("\"reference_id\":\(text(reference))") }
    if let resource { members.append("\"provider\":\(text(resource))") }
    if let scopes { members.append("\"scopes\":\(text(scopes))") }
    return "{\(members.joined(separator: ","))}"
  }

  static func event(
    _ type: String, status: String = "success", user: String, reference: String? = nil, resource: String? = "FITBIT",
    widgetSession: String? = nil, scopes: String? = nil
  ) -> String {
    let widget = widgetSession.map { ",\"widget_session_id\":\(text($0))" } ?? ""
    return """
      {"type":\(text(type)),"status":\(text(status)),"user":\(self.user(user, reference, resource, scopes: scopes))\(widget)}
      """
  }

  static func auth(
    _ user: String, reference: String? = "person-1", resource: String? = "FITBIT", widgetSession: String? = nil,
    scopes: String? = nil
  ) -> String {
    event("auth", user: user, reference: reference, resource: resource, widgetSession: widgetSession, scopes: scopes)
  }

  static func deauth(_ user: String) -> String { event("deauth", user: user) }

  static func reauth(
    from old: String?, to new: String, oldReference: String? = "person-1", newReference: String? = "person-1",
    resource: String? = "FITBIT"
  ) -> String {
    let before = old.map { self.user($0, oldReference, resource) } ?? "null"
    return """
      {"type":"user_reauth","status":"warning","new_user":\(self.user(new, newReference, resource)),"old_user":\(before)}
      """
  }

  static func cancelled(reference: String?, reason: String = "access_denied", flow: String = "f") -> String {
    let person = reference.map(text) ?? "null"
    return """
      {"type":"auth_cancelled","status":"error","flow_id":"\(flow)","reason":"\(reason)","reference_id":\(person)}
      """
  }

  static func data(_ user: String, type: String = "daily", filler: Int = 0) -> String {
    """
    {"type":"\(type)","user":\(self.user(user, nil, "FITBIT")),"data":[{"filler":"\(String(repeating: "x", count: filler))"}]}
    """
  }

  static func text(_ text: String) -> String {
    (try? String(decoding: JSONEncoder().encode(text), as: UTF8.self)) ?? "\"\""
  }

  /// One of Terra's own examples, as its bytes were signed.
  static func fixture(_ name: String) throws -> [UInt8] {
    guard let url = Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: "json") else {
      throw CocoaError(.fileNoSuchFile)
    }
    return Array(try Data(contentsOf: url))
  }
}

/// A delivery: a body, when it was signed, and what stands beside the signature.
struct Delivery: Sendable {
  var body: [UInt8]
  var t: Int64
  var trace: String?
  var ordering: Int64?
  var secret: String?
  var headers: [(name: String, value: String)]?

  /// Signed `at` seconds from now.
  init(_ body: String, at seconds: Double = 0, trace: String? = nil, ordering: Bool = false) {
    self.init(Array(body.utf8), at: seconds, trace: trace, ordering: ordering)
  }

  init(_ body: [UInt8], at seconds: Double = 0, trace: String? = nil, ordering: Bool = false) {
    let now = Date().timeIntervalSince1970 + seconds
    self.body = body
    self.t = Int64(now.rounded(.down))
    self.trace = trace
    self.ordering = ordering ? Int64(now * 1_000) : nil
  }

  init(_ body: String, t: Int64, trace: String? = nil) {
    self.body = Array(body.utf8)
    self.t = t
    self.trace = trace
  }
}

extension Stage {
  /// Delivers a webhook as Terra does.
  @discardableResult
  func deliver(
    _ delivery: Delivery, tenant: String? = nil, piece: Int = 64 << 10
  ) async throws -> WebhookAnswer.Disposition {
    try await answer(delivery, tenant: tenant, piece: piece).disposition
  }

  @discardableResult
  func deliver(_ body: String, tenant: String? = nil) async throws -> WebhookAnswer.Disposition {
    try await deliver(Delivery(body, ordering: true), tenant: tenant)
  }

  /// Delivers a webhook and says what is to become of it.
  func expect(
    _ delivery: Delivery, _ disposition: WebhookAnswer.Disposition, tenant: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let actual = try await deliver(delivery, tenant: tenant)
    #expect(actual == disposition, sourceLocation: sourceLocation)
  }

  func expect(
    _ body: String, _ disposition: WebhookAnswer.Disposition, tenant: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await expect(Delivery(body, ordering: true), disposition, tenant: tenant, sourceLocation: sourceLocation)
  }

  func status(_ userID: String, tenant: String? = nil) async throws -> ConnectionStatus {
    try await registry.connections.show(tenant: tenant ?? slug, userID).connection.status
  }

  /// Delivers a webhook, and waits until a rejected one is recorded unless `settles` is false.
  @discardableResult
  func answer(
    _ delivery: Delivery, tenant: String? = nil, piece: Int = 64 << 10, settles: Bool = true
  ) async throws -> WebhookAnswer {
    let slug = tenant ?? self.slug
    var headers = delivery.headers ?? []
    if delivery.headers == nil {
      let signer = SignatureSigner(secret: Array((delivery.secret ?? Self.signingSecret(of: slug)).utf8))
      headers.append(("X-Terra-Signature", signer.header(timestamp: delivery.t, body: delivery.body)))
      if let trace = delivery.trace { headers.append(("X-Terra-Trace-Id", trace)) }
      if let ordering = delivery.ordering { headers.append(("X-Terra-Ordering-Timestamp", "\(ordering)")) }
    }
    let answer = try await registry.webhooks.receive(
      tenant: slug, headers: headers, body: Pieces(bytes: delivery.body, size: piece))
    if settles, answer.disposition == .rejected { await registry.webhooks.rejections.settle() }
    return answer
  }
}

/// A body that comes in pieces, each made when it is asked for.
struct Pieces: AsyncSequence, Sendable {
  let bytes: [UInt8]
  let size: Int

  struct AsyncIterator: AsyncIteratorProtocol {
    var rest: ArraySlice<UInt8>
    let size: Int

    mutating func next() async -> ByteBuffer? {
      guard !rest.isEmpty else { return nil }
      defer { rest = rest.dropFirst(size) }
      return ByteBuffer(bytes: rest.prefix(size))
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: bytes[...], size: Swift.max(1, size)) }
}

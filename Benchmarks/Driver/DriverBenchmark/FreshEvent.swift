import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra

/// A signed `auth` event that nobody has sent before, as Terra writes it.
struct FreshEvent {
  let body: [UInt8]
  let statements: WebhookStatements

  /// - Parameters:
  ///   - userID: the connection.
  ///   - referenceID: the app user.
  ///   - digest: what stands for the body's SHA-256, 32 bytes: the service has it from verifying the signature, before
  ///     the transaction that is measured.
  init(userID: String, referenceID: String, digest: [UInt8]) {
    body = Array(
      """
      {"type":"auth","status":"success","message":"User has successfully authenticated",\
      "widget_session_id":"\(Self.widgetSessionID)","user":{"user_id":"\(userID)","provider":"GARMIN",\
      "last_webhook_update":null,"scopes":"ACTIVITY_EXPORT,HEALTH_EXPORT","reference_id":"\(referenceID)","active":true}}
      """.utf8)
    statements = WebhookStatements(
      tenantID: Work.tenantID, bodySHA256: digest, timestamp: Self.now, instant: Instant(secondsSince1970: Self.now),
      traceID: "5f8b0a6e2c1d4f7890ab12cd34ef56a7", channel: "webhook")
  }

  /// One of its own for each call.
  init(_ generator: inout KeyGenerator) {
    let (high, low) = (generator.next(), generator.next())
    let number = String(1_000_000_000_000_000_000 + high % 8_000_000_000_000_000_000)
    let digest = [high, low, ~high, ~low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
    }
    self.init(userID: number, referenceID: "person-" + number, digest: digest)
  }

  /// The event as the service reads it.
  func decoded() throws -> TerraEvent { try TerraEvent.decode(body) }

  static let widgetSessionID = "3e982b74-1a94-4d9a-b6a3-f92c6e4d21b5"
  private static let now = Int64(Date().timeIntervalSince1970)
}

/// The statements of one intake with their parameters as text, from which another program can send the same.
struct IntakeDescription: Encodable {
  struct Statement: Encodable {
    let sql: String
    let parameters: [String?]
  }

  let statements: [Statement]
  /// By the text that is another one for each event: what it is.
  let tokens: [String: String]

  init() throws {
    let (userID, referenceID) = ("token-of-the-user-id", "token-of-the-reference-id")
    let event = FreshEvent(userID: userID, referenceID: referenceID, digest: Array(repeating: 0xAB, count: 32))
    let sent = event.statements.sending(try event.decoded(), body: event.body)
    statements = sent.map { Statement(sql: $0.text, parameters: $0.parameters.map(\.literal)) }
    let digest = String(repeating: "ab", count: 32)
    var tokens = [userID: "user_id", referenceID: "reference_id", digest: "digest", String(digest.prefix(32)): "fact"]
    // The event's id is drawn while the statements are made; it is the only uuid beside two that are known.
    for text in statements.flatMap(\.parameters).compactMap({ $0 }) {
      guard let id = UUID(uuidString: text), id != Work.tenantID, text != FreshEvent.widgetSessionID else { continue }
      tokens[text] = "event_id"
    }
    self.tokens = tokens
  }
}

import Crypto
import Foundation

/// A webhook as Terra signs it: `t=<seconds>,v1=<hex>` over `t`, a dot and the raw body.
struct SignedWebhook: Sendable {
  var body: [UInt8]
  var time: Int64
  var secret: String

  init(_ body: some Sequence<UInt8>, time: Int64 = Int64(Date().timeIntervalSince1970), secret: String) {
    self.body = Array(body)
    self.time = time
    self.secret = secret
  }

  init(_ body: String, time: Int64 = Int64(Date().timeIntervalSince1970), secret: String) {
    self.init(Array(body.utf8), time: time, secret: secret)
  }

  /// The value of the signature's header.
  var signature: String {
    var code = HMAC<SHA256>(key: SymmetricKey(data: Data(secret.utf8)))
    code.update(data: Data("\(time).".utf8))
    code.update(data: Data(body))
    return "t=\(time),v1=" + code.finalize().map { String(format: "%02x", $0) }.joined()
  }

  /// The event of a success, in the form of Terra's own example.
  static func success(userID: String, referenceID: String = "your-user-123", session: String? = nil) -> String {
    let widget = session.map { "\"\($0)\"" } ?? "null"
    return """
      {"type":"auth","status":"success","message":"User has successfully authenticated","widget_session_id":\(widget),\
      "user":{"user_id":"\(userID)","provider":"GARMIN","last_webhook_update":null,\
      "scopes":"ACTIVITY_EXPORT,HEALTH_EXPORT","reference_id":"\(referenceID)","active":true}}
      """
  }
}

extension ServiceProcess {
  /// Delivers a webhook.
  ///
  /// - Parameters:
  ///   - webhook: What to deliver.
  ///   - tenant: To whom.
  ///   - headers: More headers.
  /// - Returns: The answer.
  /// - Throws: What keeps the request from being answered.
  func deliver(
    _ webhook: SignedWebhook, to tenant: String = "acme", headers: [(String, String)] = []
  ) async throws -> Answer {
    try await send(
      "POST", "/webhooks/terra/\(tenant)",
      headers: [("Content-Type", "application/json"), ("X-Terra-Signature", webhook.signature)] + headers,
      body: webhook.body)
  }
}

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization

/// A session as `POST /v1/sessions` answers it.
struct OpenedSession: Decodable, Sendable {
  /// The session's id.
  let sessionID: String
  /// Where to send the browser.
  let authURL: String
  /// Until when it can be used, as RFC 3339 writes it.
  let expiresAt: String

  enum CodingKeys: String, CodingKey {
    case sessionID = "session_id"
    case authURL = "auth_url"
    case expiresAt = "expires_at"
  }
}

/// A team's backend: opens sessions over HTTP, and repeats a request whose answer it did not get.
struct DemoSessionClient: Sendable {
  private let client: HTTPClient
  private let serviceURL: String
  private let keys: [String: String]

  /// Creates a client.
  ///
  /// - Parameters:
  ///   - client: sends the requests.
  ///   - serviceURL: the registry.
  ///   - keys: each tenant's API key, by slug.
  init(client: HTTPClient, serviceURL: String, keys: [String: String]) {
    self.client = client
    self.serviceURL = serviceURL
    self.keys = keys
  }

  /// Opens a session. A repetition carries the same `Idempotency-Key`, so that it is the same session.
  ///
  /// - Parameters:
  ///   - attempt: who connects what.
  ///   - repeated: is called for each try that was not answered, or answered with 5xx.
  /// - Returns: the session.
  /// - Throws: ``DemoError`` when the answer is a refusal or does not come within a minute.
  func open(_ attempt: DemoAttempt, repeated: @Sendable () -> Void) async throws -> OpenedSession {
    var body = [
      "reference_id": attempt.referenceID, "success": attempt.tenant.successURL, "failure": attempt.tenant.failureURL,
    ]
    if !attempt.usesWidget { body["resource"] = attempt.resource }
    var request = HTTPClientRequest(url: self.serviceURL + "/v1/sessions")
    request.method = .POST
    request.headers.add(name: "authorization", value: "Bearer \(self.keys[attempt.tenant.slug] ?? "")")
    request.headers.add(name: "content-type", value: "application/json")
    request.headers.add(name: "idempotency-key", value: UUID().uuidString.lowercased())
    request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
    let deadline = ContinuousClock.now + .seconds(60)
    var last = "nobody answered"
    repeat {
      do {
        let response = try await self.client.execute(request, timeout: .seconds(15))
        let answer = try await response.body.collect(upTo: 1 << 20)
        if (200..<300).contains(response.status.code) {
          return try JSONDecoder().decode(OpenedSession.self, from: Data(answer.readableBytesView))
        }
        last = "status \(response.status.code): \(String(buffer: answer))"
        guard response.status.code >= 500 || response.status == .conflict else { break }
      } catch let error as DecodingError {
        throw DemoError("POST /v1/sessions answered what cannot be read: \(error)")
      } catch {
        try Task.checkCancellation()
        last = "\(error)"
      }
      repeated()
      try await Task.sleep(for: .milliseconds(250))
    } while ContinuousClock.now < deadline
    throw DemoError("POST /v1/sessions of \(attempt.tenant.slug) failed, the last time with \(last)")
  }
}

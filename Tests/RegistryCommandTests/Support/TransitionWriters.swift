import Foundation
import Testing

/// Signed webhooks of which each is one transition of its connection, sent by several writers side by side.
struct TransitionWriters: Sendable {
  /// How many connections change.
  var connections: Int
  /// How often each of them does.
  var changes: Int
  /// How many send at the same time; each has connections of its own, whose webhooks it sends in their order.
  var writers = 8

  /// How many transitions that makes.
  var total: Int { connections * changes }

  /// Sends all of them, each again until it is taken, as Terra does.
  ///
  /// - Parameters:
  ///   - address: To which service.
  ///   - taken: Is told of each that was answered with 200, and lets its writer go on.
  /// - Throws: What keeps a webhook from being taken by a service that was not killed.
  func send(to address: ServiceAddress, taken: @escaping @Sendable () async throws -> Void = {}) async throws {
    let began = Int64(Date().timeIntervalSince1970)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<writers {
        group.addTask {
          for number in 0..<changes {
            for connection in stride(from: writer, to: connections, by: writers) {
              let webhook = Self.webhook("u-\(connection)", number, at: began - Int64(changes) + Int64(number))
              let answer = try await address.use { try await $0.deliver(webhook) }
              #expect(answer.status == 200, "\(answer.body)")
              try await taken()
            }
          }
        }
      }
      while try await group.next() != nil {}
    }
  }

  /// Connected, failing, connected again …
  private static func webhook(_ userID: String, _ number: Int, at time: Int64) -> SignedWebhook {
    if number % 2 == 0 {
      return SignedWebhook(
        SignedWebhook.success(userID: userID, referenceID: "app-user-of-\(userID)"), time: time,
        secret: Deployment.secret)
    }
    let body = """
      {"type":"connection_error","status":"error","message":"the token is refused",\
      "user":{"user_id":"\(userID)","provider":"GARMIN","last_webhook_update":null,"scopes":null,\
      "reference_id":"app-user-of-\(userID)","active":false}}
      """
    return SignedWebhook(body, time: time, secret: Deployment.secret)
  }
}

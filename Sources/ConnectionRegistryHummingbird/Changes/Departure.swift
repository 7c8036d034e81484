import HTTPTypes
import Hummingbird

/// Notices that a client is gone while its request waits, so that nothing is held for it.
enum Departure {
  /// Does something that takes long, and cancels it when the client closes its connection.
  ///
  /// A client that sends a body is not watched: it is noticed when the answer is written.
  ///
  /// - Parameters:
  ///   - request: The request; its body is not read afterwards.
  ///   - operation: What to do.
  /// - Returns: What the operation returns.
  /// - Throws: What the operation throws, and `CancellationError`.
  static func watching<Value: Sendable>(
    _ request: Request, _ operation: @Sendable () async throws -> Value
  ) async throws -> Value {
    // Hummingbird watches only a body that nobody has replaced, as one that decodes it would.
    let describesBody: [HTTPField.Name] = [.contentEncoding, .transferEncoding, .contentLength, .contentType]
    guard !describesBody.contains(where: { request.headers[$0] != nil }) else { return try await operation() }
    return try await request.body.consumeWithCancellationOnInboundClose { _ in try await operation() }
  }
}

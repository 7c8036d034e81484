import NIOCore

extension Webhooks {
  /// Takes in one delivery of Terra's whose body is at hand, as in a server that gathers bodies.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - headers: all headers as they came, repeated ones too.
  ///   - body: the raw bytes; what was decoded and encoded again has another signature.
  /// - Returns: how it was taken, and the status to answer with.
  /// - Throws: ``RegistryError`` of code `database_unavailable` where nothing could be made durable (answer 503, so that
  ///   Terra tries again).
  public func receive(
    tenant: String, headers: some Sequence<(name: String, value: String)>, body: some Collection<UInt8> & Sendable
  ) async throws -> WebhookAnswer {
    let bytes = ByteBuffer(bytes: body)
    return try await receive(
      tenant: tenant, headers: Array(headers),
      body: AsyncStream { pieces in
        pieces.yield(bytes)
        pieces.finish()
      })
  }
}

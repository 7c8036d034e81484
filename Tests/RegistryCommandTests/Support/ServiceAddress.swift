import Testing

/// The service that answers at the moment; whoever needs one waits for the next while there is none.
actor ServiceAddress {
  private var service: ServiceProcess?
  private var waiting: [AsyncStream<ServiceProcess>.Continuation] = []

  /// A service is there.
  func become(_ next: ServiceProcess) {
    service = next
    for continuation in waiting {
      continuation.yield(next)
      continuation.finish()
    }
    waiting = []
  }

  /// The service is about to be killed.
  func retire() { service = nil }

  /// Does something with the service that is there, and again with the next one where that was killed meanwhile.
  ///
  /// - Parameter body: Uses a service.
  /// - Returns: What the closure returns.
  /// - Throws: What the closure throws with a service that lives on, and `CancellationError`.
  nonisolated func use<Value: Sendable>(
    _ body: @Sendable (ServiceProcess) async throws -> Value
  ) async throws -> Value {
    while true {
      let service = try await current()
      do {
        return try await body(service)
      } catch {
        try Task.checkCancellation()
        guard await isRetired(service) else { throw error }
      }
    }
  }

  private func current() async throws -> ServiceProcess {
    if let service { return service }
    let (next, continuation) = AsyncStream.makeStream(of: ServiceProcess.self)
    waiting.append(continuation)
    for await service in next { return service }
    throw CancellationError()
  }

  private func isRetired(_ other: ServiceProcess) -> Bool { service?.processID != other.processID }
}

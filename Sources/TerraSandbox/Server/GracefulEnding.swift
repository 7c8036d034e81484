package import Logging
package import ServiceLifecycle

/// Runs a server so that cancelling the task ends it gracefully.
///
/// A server that is itself cancelled stops taking connections from NIO while the socket still accepts them; a connection
/// that becomes active at that moment traps. So the server runs in a task of its own and only sees the shutdown.
///
/// - Parameters:
///   - server: the server.
///   - logger: gets the lifecycle's messages.
/// - Throws: what the server throws.
package func runEndingGracefully(_ server: any Service, logger: Logger) async throws {
  let group = ServiceGroup(configuration: .init(services: [server], logger: logger))
  let running = Task { try await group.run() }
  try await withTaskCancellationHandler {
    try await withGracefulShutdownHandler {
      try await running.value
    } onGracefulShutdown: {
      Task { await group.triggerGracefulShutdown() }
    }
  } onCancel: {
    Task { await group.triggerGracefulShutdown() }
  }
}

import ServiceLifecycle

/// What keeps connections while it runs: a pool, a lane, a listener.
protocol ConnectionKeeper: Service {
  /// Ends in order: `run()` returns once nobody needs a connection any more.
  func shutDown()
  /// Ends at once, whoever is served.
  func terminate()
  /// Gives up the alarm, which nothing needs any more.
  func takeAlarm() -> Alarm?
}

extension ConnectionKeeper {
  /// Runs for the length of a closure.
  /// - Parameters:
  ///   - isolation: the actor on which the closure runs; the caller's.
  ///   - body: the work.
  /// - Returns: what the body returned.
  /// - Throws: what the body, or else `run()`, threw.
  func kept<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Self) async throws -> sending Value
  ) async throws -> sending Value {
    // Not a child of a group, because the closure must run on the caller's own actor.
    let running = Task { try await self.run() }
    do {
      let value = try await body(self)
      shutDown()
      try await running.value
      return value
    } catch {
      shutDown()
      _ = await running.result
      throw error
    }
  }

  /// Works until the end that a shutdown, or the cancellation of the present task, brings about.
  /// - Parameter work: runs in a task of its own, so that connections are closed in order even when this one is cancelled.
  func keep(_ work: @escaping @Sendable () async -> Void) async {
    let worker = Task { await work() }
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await worker.value
      } onGracefulShutdown: {
        self.shutDown()
      }
    } onCancel: {
      self.terminate()
    }
    takeAlarm()?.close()
  }
}

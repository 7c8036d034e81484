/// Concurrent tasks, each with a caller of its own.
struct Callers {
  let count: Int
  let seed: UInt64

  /// - Parameters:
  ///   - window: when to measure.
  ///   - makeCaller: called once by each task.
  /// - Returns: the latencies of all tasks.
  /// - Throws: what a call throws.
  func run<Each: Caller>(
    _ window: Window, _ makeCaller: @escaping @Sendable (KeyGenerator) -> Each
  ) async throws -> Measurement {
    let clock = window.start()
    let watch = Task { await clock.watch() }
    let latencies = try await withThrowingTaskGroup(of: [UInt32].self) { group in
      for index in 0..<count {
        group.addTask {
          var caller = makeCaller(KeyGenerator(seed: seed &+ UInt64(index) &* 7919))
          var latencies: [UInt32] = []
          var before = Window.Instants.now
          while before < clock.end {
            try await caller.call()
            let after = Window.Instants.now
            if before >= clock.begin, after <= clock.end { latencies.append(Measurement.latency(after - before)) }
            before = after
          }
          return latencies
        }
      }
      var all: [UInt32] = []
      for try await latencies in group { all += latencies }
      return all
    }
    return Measurement(latencies: latencies, seconds: clock.length, cpuSeconds: await watch.value)
  }
}

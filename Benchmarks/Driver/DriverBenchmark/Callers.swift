/// Concurrent tasks, each in a closed loop.
struct Callers {
  let count: Int
  let seed: UInt64

  typealias Call = @Sendable (inout KeyGenerator) async throws -> Void

  /// - Parameters:
  ///   - window: when to measure.
  ///   - makeCall: called once by each task for what it does again and again.
  /// - Returns: the latencies of all tasks.
  /// - Throws: what a call throws.
  func run(_ window: Window, _ makeCall: @escaping @Sendable () -> Call) async throws -> Measurement {
    let clock = window.start()
    let watch = Task { await clock.watch() }
    let latencies = try await withThrowingTaskGroup(of: [UInt32].self) { group in
      for index in 0..<count {
        group.addTask {
          let call = makeCall()
          var generator = KeyGenerator(seed: seed &+ UInt64(index) &* 7919)
          var latencies: [UInt32] = []
          var before = Window.Instants.now
          while before < clock.end {
            try await call(&generator)
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

import Foundation

/// When to measure.
struct Window: Sendable {
  let warmup: Duration
  let length: Duration

  /// The instants of a window that begins now.
  struct Instants: Sendable {
    let begin: ContinuousClock.Instant
    let end: ContinuousClock.Instant

    var length: Double { (end - begin) / .seconds(1) }

    /// How many seconds of processor time the process took inside the window.
    func watch() async -> Double {
      try? await Task.sleep(until: begin, clock: .continuous)
      let before = Self.processorSeconds
      try? await Task.sleep(until: end, clock: .continuous)
      return Self.processorSeconds - before
    }

    static var processorSeconds: Double {
      var usage = rusage()
      #if canImport(Glibc)
        getrusage(CInt(bitPattern: UInt32(RUSAGE_SELF.rawValue)), &usage)
      #else
        getrusage(RUSAGE_SELF, &usage)
      #endif
      func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
      return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
  }

  func start() -> Instants {
    let begin = ContinuousClock.now + warmup
    return Instants(begin: begin, end: begin + length)
  }
}

/// What one run showed; latencies in tenths of a microsecond, one for each query.
struct Measurement: Sendable {
  var latencies: [UInt32]
  var seconds: Double
  var cpuSeconds: Double

  static func latency(_ duration: Duration) -> UInt32 {
    let (seconds, attoseconds) = duration.components
    return UInt32(clamping: seconds * 10_000_000 + attoseconds / 100_000_000_000)
  }

  struct Report: Encodable {
    var queries: Int
    var seconds: Double
    var p50_us: Double
    var p99_us: Double
    var cpu_seconds: Double
    var cpu_us_per_query: Double
    var queries_per_second: Double
  }

  var report: Report {
    let sorted = latencies.sorted()
    func quantile(_ share: Double) -> Double {
      sorted.isEmpty ? 0 : Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 10
    }
    return Report(
      queries: sorted.count, seconds: seconds, p50_us: quantile(0.5), p99_us: quantile(0.99), cpu_seconds: cpuSeconds,
      cpu_us_per_query: cpuSeconds * 1e6 / Double(max(1, sorted.count)),
      queries_per_second: Double(sorted.count) / seconds)
  }
}

import Foundation

/// When to measure.
struct Window: Sendable {
  let warmup: Duration
  let length: Duration

  /// The instants of a window that begins now.
  struct Instants: Sendable {
    /// As ``now`` gives them.
    let begin: UInt64
    let end: UInt64

    var length: Double { Double(end - begin) / 1e9 }

    /// Nanoseconds of a clock that only goes forward. It is read for each query, so it must cost next to nothing.
    static var now: UInt64 {
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// How many seconds of processor time the process took inside the window.
    func watch() async -> Double {
      try? await Task.sleep(for: .nanoseconds(begin - min(begin, Self.now)))
      let before = Self.processorSeconds
      try? await Task.sleep(for: .nanoseconds(end - min(end, Self.now)))
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
    let begin = Instants.now + UInt64(warmup / .nanoseconds(1))
    return Instants(begin: begin, end: begin + UInt64(length / .nanoseconds(1)))
  }
}

/// What one run showed; latencies in tenths of a microsecond, one for each query.
struct Measurement: Sendable {
  var latencies: [UInt32]
  var seconds: Double
  var cpuSeconds: Double

  static func latency(_ nanoseconds: UInt64) -> UInt32 {
    UInt32(clamping: nanoseconds / 100)
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

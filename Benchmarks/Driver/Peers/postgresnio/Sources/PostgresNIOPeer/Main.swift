import Foundation
import Logging
import PostgresNIO

/// PostgresNIO as one contender: `PostgresClient`, its own pool, and a prepared statement.
@main
struct Main {
  static func main() async throws {
    let options = Options(Array(CommandLine.arguments.dropFirst()))
    var configuration = PostgresClient.Configuration(
      unixSocketPath: options.connection("host") + "/.s.PGSQL." + options.connection("port"),
      username: options.connection("user"), password: nil, database: options.connection("dbname"))
    configuration.options.minimumConnections = Int(options.number("connections"))
    configuration.options.maximumConnections = Int(options.number("connections"))
    var logger = Logger(label: "peer", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .error
    let client = PostgresClient(configuration: configuration, backgroundLogger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await client.run() }
      let line = try await measure(client, options)
      FileHandle.standardOutput.write(Data((line + "\n").utf8))
      group.cancelAll()
    }
  }

  static func measure(_ client: PostgresClient, _ options: Options) async throws -> String {
    let begin = ContinuousClock.now + .seconds(options.number("warmup"))
    let length = options.number("seconds")
    let end = begin + .seconds(length)
    let seed = UInt64(options.number("seed"))
    let rows = UInt64(options.number("rows"))
    let watch = Task {
      try await Task.sleep(until: begin, clock: .continuous)
      let before = processorSeconds()
      try await Task.sleep(until: end, clock: .continuous)
      return processorSeconds() - before
    }
    let latencies = try await withThrowingTaskGroup(of: [Double].self) { group in
      for index in 0..<UInt64(options.number("tasks")) {
        group.addTask {
          var keys = KeyGenerator(seed: seed &+ index &* 7919)
          var latencies: [Double] = []
          while true {
            let before = ContinuousClock.now
            if before >= end { return latencies }
            for try await _ in try await client.execute(Statement(key: keys.next(upTo: rows))) {}
            let after = ContinuousClock.now
            if before >= begin, after <= end { latencies.append((after - before) / .microseconds(1)) }
          }
        }
      }
      var all: [Double] = []
      for try await some in group { all += some }
      return all.sorted()
    }
    func quantile(_ share: Double) -> Double {
      latencies.isEmpty ? 0 : latencies[min(latencies.count - 1, Int(Double(latencies.count) * share))]
    }
    return """
      {"queries": \(latencies.count), "seconds": \(length), "p50_us": \(quantile(0.5)), "p99_us": \(quantile(0.99)), \
      "cpu_seconds": \(try await watch.value)}
      """
  }

  static func processorSeconds() -> Double {
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

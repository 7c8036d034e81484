import CLibpq
import Foundation
import NIOConcurrencyHelpers

/// The plain way to use libpq: a thread and a connection for each caller, blocking.
struct ThreadBaseline {
  let connection: String
  let work: Work
  let threads: Int

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  func run(_ window: Window, seed: UInt64) throws -> Measurement {
    let connections = try (0..<threads).map { _ in try connect() }
    defer { for connection in connections { PQfinish(connection.pointer) } }
    let clock = window.start()
    let collected = NIOLockedValueBox<(latencies: [UInt32], failure: String?)>(([], nil))
    let group = DispatchGroup()
    let before = NIOLockedValueBox(0.0)
    for (index, connection) in connections.enumerated() {
      group.enter()
      let thread = Thread {
        defer { group.leave() }
        do {
          let latencies = try loop(connection, KeyGenerator(seed: seed &+ UInt64(index) &* 7919), clock)
          collected.withLockedValue { $0.latencies += latencies }
        } catch {
          collected.withLockedValue { $0.failure = "\(error)" }
        }
      }
      thread.start()
    }
    Thread.sleep(forTimeInterval: Double(clock.begin - min(clock.begin, Window.Instants.now)) / 1e9)
    before.withLockedValue { $0 = Window.Instants.processorSeconds }
    Thread.sleep(forTimeInterval: Double(clock.end - min(clock.end, Window.Instants.now)) / 1e9)
    let cpu = Window.Instants.processorSeconds - before.withLockedValue { $0 }
    group.wait()
    let (latencies, failure) = collected.withLockedValue { $0 }
    if let failure { throw Failure(description: failure) }
    return Measurement(latencies: latencies, seconds: clock.length, cpuSeconds: cpu)
  }

  private struct Connection: @unchecked Sendable {
    let pointer: OpaquePointer
  }

  private func connect() throws -> Connection {
    guard let pointer = PQconnectdb(connection), PQstatus(pointer) == CONNECTION_OK else {
      throw Failure(description: "could not connect")
    }
    let prepared = PQprepare(pointer, "bench", work.text, 0, nil)
    defer { PQclear(prepared) }
    guard PQresultStatus(prepared) == PGRES_COMMAND_OK else {
      throw Failure(description: String(cString: PQerrorMessage(pointer)))
    }
    return Connection(pointer: pointer)
  }

  private func loop(_ connection: Connection, _ generator: KeyGenerator, _ clock: Window.Instants) throws -> [UInt32] {
    var generator = generator
    let (lengths, formats) = ([CInt(Work.tenantBytes.count), 0], [CInt(1), 0])
    var latencies: [UInt32] = []
    var before = Window.Instants.now
    while before < clock.end {
      let key = String(generator.next(upTo: work.rows))
      let result = Work.tenantBytes.withUnsafeBytes { tenant in
        key.withCString { key in
          let values = [tenant.baseAddress?.assumingMemoryBound(to: CChar.self), key]
          return PQexecPrepared(connection.pointer, "bench", 2, values, lengths, formats, 0)
        }
      }
      defer { PQclear(result) }
      let status = PQresultStatus(result)
      guard status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK else {
        throw Failure(description: String(cString: PQerrorMessage(connection.pointer)))
      }
      if status == PGRES_TUPLES_OK {
        guard PQntuples(result) == 1, let value = PQgetvalue(result, 0, 0) else { throw Work.Missing() }
        _ = String(cString: value)
      }
      let after = Window.Instants.now
      if before >= clock.begin, after <= clock.end { latencies.append(Measurement.latency(after - before)) }
      before = after
    }
    return latencies
  }
}

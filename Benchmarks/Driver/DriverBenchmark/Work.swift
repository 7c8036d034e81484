import ConnectionRegistry
import Foundation
import RegistryPostgres

/// What each caller does again and again.
struct Work: Sendable {
  static let tenantID = UUID(uuidString: "018f0000-0000-7000-8000-000000000001") ?? UUID()
  static let tenantBytes = withUnsafeBytes(of: tenantID.uuid) { Array($0) }

  let workload: Measure.Workload
  let rows: Int

  /// A literal, as a team has its SQL: nobody counts references to it, and it is compared by its address.
  var text: String {
    switch workload {
    case .select, .read, .intake: DriverStatements.driverSelect
    case .upsert: DriverStatements.driverUpsert
    }
  }

  /// The tenant in the form in which tokio-postgres sends it, and in memory of its own, as a request brings it.
  static func tenantParameter() -> PostgresParameter {
    .bytes(withUnsafeBytes(of: tenantID.uuid) { Array($0) })
  }

  /// Reads one value of the row that was found, as the peers do; nothing where the statement writes.
  func read(_ result: PostgresResult) throws {
    guard workload != .upsert else { return }
    guard let row = result.rows.first else { throw Missing() }
    _ = try row.decode("reference_id", as: String.self)
  }

  /// The statement for one key.
  func statement(_ tenant: PostgresParameter, _ generator: inout KeyGenerator) -> PostgresStatement {
    PostgresStatement(
      name: workload == .upsert ? "bench_upsert" : "bench_select", text,
      [tenant, .text(String(generator.next(upTo: rows)))])
  }
}

extension Work {
  struct Missing: Error, CustomStringConvertible {
    let description = "no row was found for a key: prepare as many rows as are asked for"
  }

  struct Unaccepted: Error, CustomStringConvertible {
    let disposition: WebhookAnswer.Disposition
    var description: String { "an event was not accepted but taken for \(disposition)" }
  }

  /// The transaction of one fresh event, from its body on: all that the service does between the check of the signature
  /// and the answer.
  static func takeIn(_ generator: inout KeyGenerator, _ registry: ConnectionRegistry) async throws {
    let event = FreshEvent(&generator)
    let disposition = try await registry.webhooks.accept(event.decoded(), body: event.body, as: event.statements)
    guard disposition == .accepted else { throw Unaccepted(disposition: disposition) }
  }
}

/// Keys from 1 on, uniformly, by xorshift64*: cheap enough not to be measured.
struct KeyGenerator: Sendable {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
  }

  mutating func next(upTo limit: Int) -> Int {
    1 + Int(next() % UInt64(max(1, limit)))
  }

  /// A number of 64 bits.
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

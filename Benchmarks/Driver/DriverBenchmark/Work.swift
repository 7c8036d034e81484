import ConnectionRegistry
import Foundation
import RegistryPostgres

/// What each caller does again and again.
struct Work: Sendable {
  static let tenant = "018f0000-0000-7000-8000-000000000001"
  static let tenantID = UUID(uuidString: tenant) ?? UUID()
  static let tenantBytes = withUnsafeBytes(of: tenantID.uuid) { Array($0) }

  let workload: Measure.Workload
  let text: String
  let rows: Int

  /// The same work with strings of its own, for one task. A team writes its SQL as literals, which nobody counts by
  /// reference; a string that no other thread counts is nearest to that.
  var copied: Work {
    Work(workload: workload, text: String(decoding: Array(text.utf8), as: UTF8.self), rows: rows)
  }

  /// The statement for one key.
  func statement(_ generator: inout KeyGenerator) -> PostgresStatement {
    let key = String(generator.next(upTo: rows))
    switch workload {
    case .select, .read:
      return PostgresStatement(name: "bench_select", text, [.text(Self.tenant), .text(key)])
    case .upsert, .intake:
      return PostgresStatement(name: "bench_upsert", text, [.text(Self.tenant), .text(key)])
    }
  }

  func run(_ generator: inout KeyGenerator, on executor: some PostgresExecutor & PostgresBatchExecutor) async throws {
    switch workload {
    case .select, .upsert, .intake:
      _ = try await executor.execute(statement(&generator))
    case .read:
      // As the service sends its reads: the tenant set, read-only, in the tenant's place among the callers.
      let batch = PostgresBatch(
        settings: [try .init("registry.tenant_id", Self.tenantID)], statements: [statement(&generator)],
        isolation: .serverDefault.readOnly, order: .by(Self.tenantBytes))
      _ = try await executor.execute(batch)
    }
  }
}

extension Work {
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

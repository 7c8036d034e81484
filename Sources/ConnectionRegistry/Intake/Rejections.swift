import Foundation
import Logging
import Metrics
import NIOConcurrencyHelpers
import RegistryPostgres
import RegistrySQL
import RegistryTerra
import ServiceLifecycle

/// What is kept of a delivery that was rejected.
struct Rejection: Sendable {
  let at: Date
  let headers: WebhookHeaders
  let bodyStart: [UInt8]
  let bodySHA256: [UInt8]
  let bodyBytes: Int

  init(_ body: WebhookBody, _ headers: WebhookHeaders, at now: Date) {
    at = now
    self.headers = headers
    bodyStart = Array(body.buffered.prefix(WebhookBody.keptOfRejected))
    bodySHA256 = body.sha256
    bodyBytes = body.bytes
  }
}

/// Records rejected deliveries after they were answered, so that whoever measures answers cannot tell a tenant that
/// exists from one that does not.
///
/// What waits is bounded; a delivery that finds no place is only counted, with its tenant's next one. A graceful shutdown
/// writes what waits, a killed process loses it.
final class Rejections: Service {
  /// How many wait at most, with up to 16 KiB of body each.
  static let capacity = 256

  private typealias Item = (rejection: Rejection, tenantID: UUID, count: Int)

  private struct State {
    var unwritten = 0
    var isEnding = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let database: RegistryDatabase
  private let limit: RejectionLimit
  private let logger: Logger
  private let queue: AsyncStream<Item>
  private let input: AsyncStream<Item>.Continuation
  private let state = NIOLockedValueBox(State())

  init(database: RegistryDatabase, limit: RejectionLimit = RejectionLimit(), logger: Logger) {
    self.database = database
    self.limit = limit
    self.logger = logger
    (queue, input) = AsyncStream.makeStream(of: Item.self, bufferingPolicy: .bufferingOldest(Self.capacity))
  }

  /// Whether no shutdown has begun.
  var isTaking: Bool { state.withLockedValue { !$0.isEnding } }

  /// Takes a delivery to be recorded soon; returns at once.
  func take(_ rejection: Rejection, of tenantID: UUID) {
    guard let count = limit.admit(tenantID: tenantID, at: rejection.at) else { return }
    state.withLockedValue { $0.unwritten += 1 }
    if case .enqueued = input.yield((rejection, tenantID, count)) { return }
    limit.putBack(count, tenantID: tenantID)
    finishOne()
  }

  /// Writes what was taken, until the service shuts down and nothing waits any more.
  func run() async {
    await withGracefulShutdownHandler {
      for await item in queue {
        do {
          try await write(item.rejection, item.tenantID, count: item.count)
        } catch {
          logger.warning(
            "a rejected delivery could not be recorded", metadata: ["tenant_id": "\(item.tenantID.text)"])
          Counter(label: "registry_rejections_unrecorded_total").increment(by: item.count)
          // Without a database the rest would only hold up the end.
          if !isTaking { break }
        }
        finishOne()
      }
    } onGracefulShutdown: {
      self.state.withLockedValue { $0.isEnding = true }
      self.input.finish()
    }
    input.finish()
    let waiting = state.withLockedValue { state in
      state.unwritten = 0
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Waits until all that was taken before is written.
  func settle() async {
    await withCheckedContinuation { continuation in
      let isSettled = state.withLockedValue { state in
        if state.unwritten > 0 { state.waiting.append(continuation) }
        return state.unwritten == 0
      }
      if isSettled { continuation.resume() }
    }
  }

  private func finishOne() {
    let waiting = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
      state.unwritten = max(0, state.unwritten - 1)
      guard state.unwritten == 0 else { return [] }
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  private func write(_ rejection: Rejection, _ tenantID: UUID, count: Int) async throws {
    let id = PostgresParameter.uuid(tenantID)
    let day = PostgresParameter.text(rejection.at.formatted(.iso8601.year().month().day()))
    let reason: String
    var signedAt = PostgresParameter.null
    switch rejection.headers.signature {
    case .success(let signature):
      reason = "wrong_signature"
      signedAt = .timestamp(microsecondsSince1970: min(max(0, signature.timestamp), 253_402_300_799) * 1_000_000)
    case .failure(let error): reason = error.rawValue
    }
    _ = try await database.run(
      tenantID, locking: ["rejected"],
      [
        RegistryStatements.webhookReceiptCountRejected(id, day, .int(count)),
        RegistryStatements.webhookReceiptKeepRejected(
          id, .uuid(.version7()), day, .text(reason), signedAt, .text(rejection.headers.traceID),
          .text(rejection.headers.keptJSON), .bytes(rejection.bodyStart), .bytes(rejection.bodySHA256),
          .int(rejection.bodyBytes), .int(RejectionLimit.perDay),
          ErasedSubject.fence(ErasedSubject.named(in: rejection.bodyStart), tenantID: tenantID)),
      ])
  }
}

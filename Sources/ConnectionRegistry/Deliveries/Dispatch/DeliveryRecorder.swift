import Foundation
import RegistryPostgres
import RegistrySQL

/// Writes what became of attempts, one transaction each, in the order in which they were made at one endpoint.
struct DeliveryRecorder: Sendable {
  let database: RegistryDatabase
  let tenantID: UUID
  let endpointID: UUID

  /// How long an endpoint must have failed for what it could not take to be due as soon as it answers again.
  static let outage: TimeInterval = 60

  /// One attempt and what it means.
  struct Attempt: Sendable {
    var item: DeliveryRun.Item
    var queue: String
    var outcome: DeliveryOutcome
    var verdict: DeliveryVerdict
    var at: Date
    var failingSince: Date?
  }

  /// Writes an attempt; the delivery may go out a second time where this fails.
  ///
  /// - Returns: whether the attempt disabled the endpoint.
  func record(_ attempt: Attempt) async throws -> Bool {
    let statements = statements(for: attempt)
    // All writes about one endpoint take one lane, so that they cannot wait for each other in a circle.
    let results = try await database.run(tenantID, locking: [endpointID.text], statements)
    return zip(statements, results).contains {
      $0.named.name == RegistryStatements.endpointDisable.name && $1.affectedRows > 0
    }
  }

  func statements(for attempt: Attempt) -> [BoundStatement] {
    let (id, endpoint) = (PostgresParameter.uuid(tenantID), PostgresParameter.uuid(endpointID))
    let now = PostgresParameter.timestamp(attempt.at)
    let delivery = PostgresParameter.uuid(attempt.item.deliveryID)
    let attempts = PostgresParameter.int(attempt.verdict.attempts)
    switch attempt.outcome {
    case .delivered(let status):
      var statements = [RegistryStatements.deliveryDelivered(id, delivery, attempts, now, .int(status))]
      if let since = attempt.failingSince, attempt.at.timeIntervalSince(since) >= Self.outage {
        // Before the success is noted, which ends the failing: only the first success resumes.
        statements.append(RegistryStatements.endpointResume(id, endpoint, now))
      }
      statements.append(RegistryStatements.endpointSucceeded(id, endpoint, now))
      return statements
    case .failed(let failure):
      var next = PostgresParameter.null
      if case .retry(let at) = attempt.verdict.next { next = .timestamp(at) }
      var statements = [
        RegistryStatements.deliveryAttemptFailed(
          id, delivery, attempts, now, .int(failure.status), .text(failure.reason.rawValue), next),
        RegistryStatements.endpointFailed(id, endpoint, now, .timestamp(attempt.verdict.pausedUntil)),
      ]
      if case .retry(let at) = attempt.verdict.next {
        statements.append(
          RegistryStatements.deliveryWait(id, endpoint, .textArray([attempt.queue]), .timestampArray([at])))
      }
      if let reason = attempt.verdict.disables {
        // The row has the last word about since when it fails.
        statements += [
          RegistryStatements.endpointDisable(
            id, endpoint, now, .text(reason.rawValue), reason == .failing ? .timestamp(attempt.failingSince) : .null),
          RegistryStatements.deliveryAppendDisabled(id, endpoint, now),
        ]
      }
      return statements
    }
  }
}

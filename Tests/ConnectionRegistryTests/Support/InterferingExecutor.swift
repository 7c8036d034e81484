@testable import ConnectionRegistry
import NIOConcurrencyHelpers
import RegistryPostgres
import RegistrySQL

/// Passes batches on, and lets something happen just before those that hold a certain statement.
final class InterferingExecutor: PostgresBatchExecutor {
  private let base: any PostgresBatchExecutor
  private let statement: String
  /// One that is planned anew is sent without its name.
  private let text: String?
  private let before: @Sendable () async throws -> Void
  private let answersToLose: NIOLockedValueBox<Int>

  /// - Parameters:
  ///   - base: where batches run.
  ///   - statement: the statement's name.
  ///   - losing: of how many such batches the answer is lost after they were committed.
  ///   - before: what happens before each such batch.
  init(
    _ base: any PostgresBatchExecutor, at statement: String, losing: Int = 0,
    before: @escaping @Sendable () async throws -> Void = {}
  ) {
    self.base = base
    self.statement = statement
    text = RegistryStatements.all.first { $0.name == statement }?.text
    self.before = before
    answersToLose = NIOLockedValueBox(losing)
  }

  /// Whether an answer that is to be lost was not asked for.
  var isWaiting: Bool { answersToLose.withLockedValue { $0 > 0 } }

  nonisolated(nonsending) func execute(
    _ batch: PostgresBatch, deadline: ContinuousClock.Instant?
  ) async throws -> [PostgresResult] {
    guard batch.statements.contains(where: { $0.name == statement || $0.text == text }) else {
      return try await base.execute(batch, deadline: deadline)
    }
    try await before()
    let results = try await base.execute(batch, deadline: deadline)
    let isLost = answersToLose.withLockedValue { left in
      defer { left = max(0, left - 1) }
      return left > 0
    }
    if isLost { throw PostgresError(.connectionLost, "lost", mayHaveTakenEffect: true) }
    return results
  }
}

extension Stage {
  /// The stage's gateway, which records through another executor.
  func gateway(recordingThrough executor: InterferingExecutor) -> Gateway {
    let gateway = registry.gateway
    let database = self.database(through: executor)
    return Gateway(
      database: database, directory: gateway.directory, keys: gateway.keys,
      records: AuthSessionRecords(
        database: database, keyRing: gateway.records.keyRing, timing: gateway.records.timing),
      publicURL: gateway.publicURL, terraDeadline: gateway.terraDeadline, logger: gateway.logger)
  }

  /// The stage's connections, whose calls go through another executor.
  func connections(through executor: InterferingExecutor) -> Connections {
    let connections = registry.connections
    return Connections(
      database: database(through: executor), directory: connections.directory, timing: connections.timing,
      terraDeadline: connections.terraDeadline)
  }

  /// The stage's reconciliations, whose calls go through another executor.
  func reconciliations(through executor: InterferingExecutor) -> Reconciliations {
    let runs = registry.reconciliations
    return Reconciliations(
      database: database(through: executor), directory: runs.directory, timing: runs.timing, every: runs.every,
      logger: runs.logger, questionsPerSecond: runs.questionsPerSecond)
  }

  /// The stage's database, whose calls go through another executor and no lane.
  func database(through executor: InterferingExecutor) -> RegistryDatabase {
    let database = registry.database
    return RegistryDatabase(service: executor, lanes: nil, worker: database.worker, logger: database.logger)
  }

  /// An executor that lets something happen just before a statement runs.
  func interfering(
    at statement: String, losing: Int = 0, before: @escaping @Sendable () async throws -> Void = {}
  ) -> InterferingExecutor {
    InterferingExecutor(registry.database.service, at: statement, losing: losing, before: before)
  }
}

public import Foundation
import Logging
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// Compares what was recorded about a tenant over its channels, and names every disagreement.
public struct Reconciliations: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing
  let logger: Logger

  /// How far a window reaches back before the last one's end: more than the longest transaction.
  static let overlap: Duration = .seconds(300)
  /// How many subjects are judged in one transaction.
  static let sliceSize = 2_000
  /// After how long without a sign of life a run is taken over.
  static let lease: Duration = .seconds(120)

  /// Runs the local pass: sessions, callbacks, events and connections of one tenant against each other.
  ///
  /// The window begins where the last complete run ended. A run that is killed leaves nothing behind that the next one
  /// does not make good: findings are identified by their fingerprint, and the window moves only with a complete run.
  ///
  /// - Parameter slug: the tenant's slug.
  /// - Returns: the run, complete.
  /// - Throws: `tenant_unknown`, `already_running` where another replica is at work, `database_unavailable`.
  public func run(tenant slug: String) async throws -> ReconciliationRun {
    let tenant = try await directory.require(slug).tenant
    let runID = UUID.version7()
    do {
      let (start, end) = try await begin(tenant, runID)
      let examined = try await examine(tenant, runID, from: start, to: end)
      return try await finish(tenant, runID, .complete, examined: examined, watermark: end, error: nil)
    } catch {
      if !(RegistryError.Code.alreadyRunning ~= error) {
        logger.warning("a reconciliation failed", metadata: ["tenant": "\(slug)", "run": "\(runID.text)"])
      }
      // In a task of its own, because a cancelled one could not give the place back.
      let reason = Self.reason(error)
      _ = await Task {
        try await finish(tenant, runID, .failed, examined: 0, watermark: nil, error: reason)
      }.result
      throw error
    }
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case is CancellationError, PostgresError.Code.cancelled: "the run was cancelled"
    default: "\(error)"
    }
  }

  private func begin(_ tenant: Tenant, _ runID: UUID) async throws -> (start: Date?, end: Date) {
    let (id, run) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(runID))
    let claimed = try await database.run(tenant.id, Self.claim(tenantID: tenant.id, runID: runID))
    guard let row = claimed.last?.rows.first else {
      throw RegistryError(
        .alreadyRunning, "a reconciliation of this tenant is under way: `registry reconcile list` shows it")
    }
    let end = try row.decode("window_end", as: Date.self)
    // An event's deadline counts from its instant, which may lie after its arrival.
    let widening = Self.overlap.inSeconds + timing.grace(of: tenant) + Timing.toleratedFuture.inSeconds + 1
    let start = try row.decodeIfPresent("watermark", as: Date.self)?.addingTimeInterval(-widening)
    _ = try await database.run(
      tenant.id, compiles: false,
      [
        RegistryStatements.reconciliationAbandonOthers(id, run),
        RegistryStatements.reconciliationSubjectClear(id),
        RegistryStatements.reconciliationRunInsert(id, run, .timestamp(start), .timestamp(end)),
      ]
        + SubjectFamily.allCases.map { $0.collect(tenantID: tenant.id, runID: runID, from: start, to: end) })
    return (start, end)
  }

  /// Takes the tenant's place for a run, unless another run holds it.
  static func claim(tenantID: UUID, runID: UUID) -> [BoundStatement] {
    [
      RegistryStatements.reconciliationStateInsert(.uuid(tenantID)),
      RegistryStatements.reconciliationClaim(.uuid(tenantID), .uuid(runID), .double(lease.inSeconds)),
    ]
  }

  private func examine(_ tenant: Tenant, _ runID: UUID, from start: Date?, to end: Date) async throws -> Int {
    let (id, run) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(runID))
    var examined = 0
    while true {
      try Task.checkCancellation()
      let slice = try await database.run(
        tenant.id,
        [
          RegistryStatements.reconciliationRenew(id, run, .double(Self.lease.inSeconds)),
          RegistryStatements.reconciliationSlice(id, run, .int(Self.sliceSize)),
        ])
      guard slice.first?.affectedRows == 1 else {
        throw RegistryError(.alreadyRunning, "this run lost its lease to another: nothing is lost, the other goes on")
      }
      let rows = slice.last.map { Array($0.rows) } ?? []
      guard let first = rows.first else { break }
      guard let family = SubjectFamily(rawValue: try first.decode("family")) else {
        throw RegistryError(.schemaNewer, "a run holds a family of subjects that this version does not know")
      }
      let subjects = try rows.map { try $0.decode("subject", as: String.self) }
      // Judged, written and struck off in one transaction: what a finding says held when it was written.
      _ = try await database.run(
        tenant.id, compiles: false,
        [
          family.judge(subjects, of: tenant, runID: runID, timing: timing),
          RegistryStatements.reconcileVanish(id, run, .text(family.rawValue), .textArray(subjects)),
          RegistryStatements.reconciliationSliceDone(id, run, .text(family.rawValue), .textArray(subjects)),
          RegistryStatements.findingChangeAppend(id, run),
          RegistryStatements.findingChangeAnnounce(id),
        ])
      examined += subjects.count
    }
    _ = try await database.runAcrossTenants([
      RegistryStatements.reconcileForeignClaims(id, run, .timestamp(start)),
      RegistryStatements.reconcileVanishForeignClaims(id, run),
      RegistryStatements.findingChangeAppendForOperators(id, run),
      RegistryStatements.findingChangeAnnounceForOperators(id),
    ])
    return examined
  }

  private func finish(
    _ tenant: Tenant, _ runID: UUID, _ outcome: ReconciliationRun.Outcome, examined: Int, watermark: Date?,
    error: String?
  ) async throws -> ReconciliationRun {
    let (id, run) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(runID))
    let results = try await database.run(
      tenant.id,
      [
        RegistryStatements.findingAcknowledgementEnd(id),
        RegistryStatements.findingChangeAppend(id, run),
        RegistryStatements.findingChangeAnnounce(id),
        RegistryStatements.reconciliationFinish(id, run, .text(outcome.rawValue), .int(examined), .text(error)),
        RegistryStatements.reconciliationRelease(id, run, .timestamp(watermark)),
        RegistryStatements.reconciliationRunList(id, run, .null, .null, .int(1)),
      ])
    guard let row = results.last?.rows.first else { throw RegistryError.notFound("run") }
    return try ReconciliationRun(row: row, tenant: tenant.slug)
  }

  /// Lists runs, newest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - page: which part.
  /// - Returns: a page of runs.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(tenant: String, page: Page = Page()) async throws -> Listed<ReconciliationRun> {
    let id = try await directory.require(tenant).tenant.id
    let cursor = try Cursor(page: page)
    let rows = try await database.run(
      id,
      RegistryStatements.reconciliationRunList(
        .uuid(id), .null, .timestamp(cursor?.at), .uuid(try cursor?.uuid), .int(page.limit + 1))
    ).rows.map { try ReconciliationRun(row: $0, tenant: tenant) }
    return Listed(rows, limit: page.limit) { Cursor(at: $0.startedAt, id: $0.runID.text) }
  }

  /// Shows one run.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - runID: its id.
  /// - Returns: the run.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ runID: UUID) async throws -> ReconciliationRun {
    let id = try await directory.require(tenant).tenant.id
    let rows = try await database.run(
      id, RegistryStatements.reconciliationRunList(.uuid(id), .uuid(runID), .null, .null, .int(1))
    ).rows
    guard let row = rows.first else { throw RegistryError.notFound("run") }
    return try ReconciliationRun(row: row, tenant: tenant)
  }
}

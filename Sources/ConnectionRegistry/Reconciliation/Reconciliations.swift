public import Foundation
import Logging
import RegistryPostgres
import RegistrySQL

/// The comparisons of a tenant: run, listed, paused.
public struct Reconciliations: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing
  /// How often each tenant is due; nil where nothing is scheduled.
  let every: Duration?
  var clock = ScheduleClock()
  let logger: Logger
  /// How often the schedule asks for Terra's listing, where the tenant says nothing; nil is never.
  var providerEvery: Duration?
  /// How many questions this process asks Terra for a tenant in a second at most.
  var questionsPerSecond = 5.0
  /// How many tenants the schedule has under way at once in this process, from 1 on: all but one wait for Terra.
  var tenantsAtOnce = 1
  /// How much a run takes on at a time.
  var limits = RunLimits()
  /// Tells this process's schedule that a run was asked for.
  let wake = ScheduleWake()
  /// What of these questions is taken, by runs and by whoever repairs a single finding.
  let budget = TerraBudget()
  /// Waits until Terra may be asked again.
  var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

  /// How far a window reaches back before the last one's end: more than the longest transaction.
  static let overlap: Duration = .seconds(300)
  /// After how long without a sign of life a run is taken over.
  static let lease: Duration = .seconds(120)
  /// How long the schedule waits for a tenant's place that somebody has locked.
  static let lockLimit: Duration = .seconds(1)
  /// How long Terra may take for one answer; a page of a listing may be long.
  static let questionDeadline: Duration = .seconds(30)

  /// Runs a comparison of one tenant: sessions, callbacks, events and connections against each other, and against Terra's
  /// listing where that is asked for.
  ///
  /// The window begins where the last complete run ended. A run that nobody holds any more, because it was killed or
  /// waits for its next slice, is gone on with from where it stands; where it was begun too long ago to know the latest
  /// facts, or does less than is asked for, another follows.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - isFull: whether everything that was ever recorded is examined instead of what came since the last run.
  ///   - asksProvider: whether Terra's listing is read and compared.
  ///   - repair: whether what Terra's answers prove is made good.
  /// - Returns: the run: complete, or partial where Terra could not be asked about everything; its remarks say why.
  /// - Throws: `tenant_unknown`, also where the tenant is disabled or deleted in the middle; `already_running` where
  ///   another replica is at work; `shadow_mode` for a repair of a tenant in shadow mode; `database_unavailable`.
  public func run(
    tenant slug: String, isFull: Bool = false, asksProvider: Bool = false, repair: RepairMode = .none
  ) async throws -> ReconciliationRun {
    let tenant = try await directory.tenant(slug)
    if tenant.shadow, repair != .none { throw AuthSessions.shadow }
    let scope = RunScope(isFull: isFull, asksProvider: asksProvider, repair: repair)
    _ = try await database.run(tenant.id, RegistryStatements.reconciliationStateInsert(.uuid(tenant.id)))
    while true {
      guard var work = try await claim(tenant.id, scope: scope) else {
        throw RegistryError(
          .alreadyRunning, "a reconciliation of this tenant is under way: `registry reconcile list` shows it")
      }
      let isNew = !work.claim.isBegun && work.claim.asked == nil
      let doesAll =
        (!isFull || work.claim.asked?.isFull == true) && (!asksProvider || work.claim.asksProvider)
        && (repair == .none || work.claim.repair == repair)
      let run = try await toTheEnd(&work)
      let isRecent = run.windowEnd >= work.claim.clock.addingTimeInterval(-Self.overlap.inSeconds)
      if isNew || isRecent && doesAll { return run }
    }
  }

  /// The tenant's questions to Terra; `renew` comes before each try.
  func questions(
    _ slug: String, patience: Duration, renew: @escaping @Sendable () async throws -> Void = {}
  ) -> TerraQuestions {
    TerraQuestions(
      budget: { [budget, questionsPerSecond] in budget.take(slug, requestsPerSecond: questionsPerSecond, now: $0) },
      patience: patience, sleep: pause, renew: renew
    ) { [directory] in
      try await directory.terraClient(of: slug, deadline: Self.questionDeadline)
    }
  }

  /// Takes the tenant's place, with the run that stands in it or a new one.
  ///
  /// - Parameters:
  ///   - tenantID: whose place.
  ///   - version: the row's version that was seen; nil takes it whatever happened since, and waits for whoever has locked it.
  ///   - scope: what a new run does.
  ///   - leaseID: who takes it.
  ///   - takesAsked: whether the oldest run that waits is taken rather than a new one.
  /// - Returns: the work, or nil where another holds the place or was faster.
  /// - Throws: `database_unavailable`; `already_running` where the place stayed locked.
  func claim(
    _ tenantID: UUID, version: Int? = nil, scope: RunScope = .local, leaseID: UUID = .version7(),
    takesAsked: Bool = false
  ) async throws -> ReconciliationWork? {
    let id = PostgresParameter.uuid(tenantID)
    let now = PostgresParameter.timestamp(clock.now())
    let results: [PostgresResult]
    do {
      results = try await database.run(
        tenantID, lockLimit: version == nil ? nil : Self.lockLimit,
        [
          RegistryStatements.reconciliationClaim(
            id, .uuid(.version7()), .uuid(leaseID), .double(Self.lease.inSeconds), now, .int(version),
            .bool(takesAsked)),
          RegistryStatements.reconciliationStanding(id, now),
          RegistryStatements.tenantShow(id),
        ])
    } catch let error as PostgresError where error.sqlState == .lockNotAvailable {
      throw RegistryError(.alreadyRunning, "the tenant's place in the schedule is locked")
    }
    guard results.count == 3, let standing = results[1].rows.first, let row = results[2].rows.first,
      let claim = try RunClaim(row: standing, leaseID: leaseID)
    else { return nil }
    let slug = try row.decode("slug", as: String.self)
    let held = HeldRun(
      database: database, tenantID: tenantID, runID: claim.runID, leaseID: leaseID, clock: clock)
    return ReconciliationWork(
      database: database, tenant: try Tenant(row: row), timing: timing, clock: clock,
      schedule: schedule(every.map { .every($0.inSeconds) } ?? .once(since: claim.at)), scope: scope,
      providerEvery: providerEvery?.inSeconds, claim: claim,
      questions: questions(slug, patience: scope.patience) { _ = try await held.run([]) }, limits: limits
    ) { [directory] in try await directory.terraUsersURL(of: slug) }
  }

  func schedule(_ demand: ReconciliationSchedule.Demand) -> ReconciliationSchedule {
    ReconciliationSchedule(demand: demand, lease: Self.lease.inSeconds)
  }

  private func toTheEnd(_ work: inout ReconciliationWork) async throws -> ReconciliationRun {
    do {
      while true {
        try Task.checkCancellation()
        if let run = try await work.step() { return run }
      }
    } catch {
      await end(work, after: error)
      throw error
    }
  }

  /// Ends a run that could not go on, unless it belongs to another by now.
  func end(_ work: ReconciliationWork, after error: any Error) async {
    if RegistryError.Code.alreadyRunning ~= error { return }
    logger.warning(
      "a reconciliation failed", metadata: ["tenant": "\(work.tenant.slug)", "run": "\(work.claim.runID.text)"])
    let reason = Self.reason(error)
    // In a task of its own, because a cancelled one could not give the place back.
    _ = await Task { try await work.fail(reason) }.result
  }

  /// Why a run ended, for its report.
  static func reason(_ error: any Error) -> String {
    switch error {
    case is CancellationError, PostgresError.Code.cancelled: "the run was cancelled"
    default: "\(error)"
    }
  }

  /// Lists runs, newest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - started: begun in this span only.
  ///   - page: which part.
  /// - Returns: a page of runs.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, started: TimeRange = TimeRange(), page: Page = Page()
  ) async throws -> Listed<ReconciliationRun> {
    let id = try await directory.tenant(tenant).id
    let cursors = directory.cursors("reconciliations", of: id, filter: started.texts)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      id,
      RegistryStatements.reconciliationRunList(
        .uuid(id), .null, .timestamp(cursor?.at), .uuid(try cursor?.uuid), .int(page.limit + 1),
        .timestamp(started.since),
        .timestamp(started.until))
    ).rows.map { try ReconciliationRun(row: $0, tenant: tenant) }
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.startedAt, id: $0.runID.text) }
  }

  /// Shows one run.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - runID: its id.
  /// - Returns: the run.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ runID: UUID) async throws -> ReconciliationRun {
    try await show(try await directory.tenant(tenant), runID)
  }

  /// Shows one run, of a disabled tenant too.
  func show(_ tenant: Tenant, _ runID: UUID) async throws -> ReconciliationRun {
    let rows = try await database.run(tenant.id, Self.one(.uuid(tenant.id), runID)).rows
    guard let row = rows.first else { throw RegistryError.notFound("run") }
    return try ReconciliationRun(row: row, tenant: tenant.slug)
  }

  /// The statement for one run.
  static func one(_ tenantID: PostgresParameter, _ runID: UUID) -> BoundStatement {
    RegistryStatements.reconciliationRunList(tenantID, .uuid(runID), .null, .null, .int(1), .null, .null)
  }
}

import Foundation
import RegistryPostgres
import RegistrySQL

extension Reconciliations {
  /// Runs every tenant that is neither paused nor disabled once, oldest first and slice by slice; several processes
  /// that do so at once share the work.
  ///
  /// - Parameters:
  ///   - isScheduled: whether Terra's listing is read where it is due, and repairs are made, by the tenants' settings, as the
  ///     schedule does it.
  ///   - asksProvider: whether Terra's listing is read of every tenant.
  ///   - repair: how far the runs may go; nil is nowhere, or what the settings say. In shadow mode nothing is repaired.
  ///   - visit: told of each run that this process has ended, as it ends, also of a failed one; and of one that is put off
  ///     because the database gave it alone no answer: it is `running`, and its error says why.
  /// - Throws: `database_unavailable`, and what `visit` throws.
  public func runAll(
    isScheduled: Bool = false, asksProvider: Bool = false, repair: RepairMode? = nil,
    _ visit: (ReconciliationRun) async throws -> Void
  ) async throws {
    let scope = RunScope(
      asksProvider: isScheduled && !asksProvider ? nil : asksProvider,
      repair: isScheduled ? repair : repair ?? RepairMode.none)
    try await ReconciliationScheduler.runAll(self, scope: scope, logger: logger, visit: visit)
  }

  /// Takes a tenant out of the schedule, until it is resumed; a run that is asked for still runs.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - by: who, 1 to 1,024 bytes without control characters.
  ///   - reason: why, likewise.
  /// - Returns: how it stands.
  /// - Throws: `tenant_unknown`, `invalid_request`, `database_unavailable`.
  @discardableResult
  public func pause(tenant: String, by: String, reason: String) async throws -> ReconciliationPlace {
    try Words.check(by, field: "by")
    try Words.check(reason, field: "reason")
    let id = try await directory.tenant(tenant).id
    _ = try await database.run(
      id,
      [
        RegistryStatements.reconciliationStateInsert(.uuid(id)),
        RegistryStatements.reconciliationPause(.uuid(id), .text(by), .text(reason)),
      ])
    return try await place(of: tenant)
  }

  /// Puts a tenant back into the schedule: it is due at once, and what fell into the pause does not count as missed.
  ///
  /// - Parameter tenant: the tenant's slug.
  /// - Returns: how it stands.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  @discardableResult
  public func resume(tenant: String) async throws -> ReconciliationPlace {
    let id = try await directory.tenant(tenant).id
    _ = try await database.run(id, RegistryStatements.reconciliationResume(.uuid(id), .timestamp(clock.now())))
    return try await place(of: tenant)
  }

  /// Lists how the tenants stand in the schedule, by slug. For operators: it names every tenant.
  ///
  /// - Parameters:
  ///   - after: the last slug of the page before; nil begins at the start.
  ///   - limit: how many at most.
  /// - Returns: the places.
  /// - Throws: `database_unavailable`.
  public func places(after: String? = nil, limit: Int = 50) async throws -> [ReconciliationPlace] {
    try await places(after: after, limit: limit, tenantID: nil)
  }

  private func places(after: String?, limit: Int, tenantID: UUID?) async throws -> [ReconciliationPlace] {
    let schedule = schedule(every.map { .every($0.inSeconds) } ?? .once(since: .distantPast))
    let results = try await database.runAcrossTenants([
      RegistryStatements.reconciliationScheduleList(.text(after), .int(limit), .uuid(tenantID))
    ])
    return try results.first?.rows.map { row in
      let place = try ReconciliationSchedule.Place(row: row)
      let status: ReconciliationPlace.Status =
        switch schedule.standing(place, at: try clock.now() ?? row.decode("at")) {
        case .paused: .paused
        case .disabled: .disabled
        case .atWork: .running
        case .due: .due
        case .waiting, .done: .waiting
        }
      return ReconciliationPlace(
        tenant: place.slug, status: status, dueAt: place.dueAt, startedAt: place.startedAt, missed: Int64(place.missed),
        pausedAt: try row.decodeIfPresent("paused_at"), pausedBy: try row.decodeIfPresent("paused_by"),
        pausedReason: try row.decodeIfPresent("paused_reason"))
    } ?? []
  }

  private func place(of slug: String) async throws -> ReconciliationPlace {
    guard let place = try await places(after: nil, limit: 1, tenantID: TenantID.of(slug: slug)).first else {
      throw RegistryError.notFound("place in the schedule")
    }
    return place
  }

  /// The schedule's time.
  func now() async throws -> Date {
    if let now = clock.now() { return now }
    let results = try await database.runAcrossTenants([RegistryStatements.reconciliationNextDue(.null)])
    guard let row = results.first?.rows.first else {
      throw RegistryError(.internalFailure, "PostgreSQL did not tell the time")
    }
    return try row.decode("at")
  }
}

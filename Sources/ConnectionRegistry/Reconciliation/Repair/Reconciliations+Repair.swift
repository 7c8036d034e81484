public import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

extension Reconciliations {
  /// Repairs one finding now, with the proofs that a run asks for with ``RepairMode/safe``, and nothing else.
  ///
  /// It may be acknowledged. It must still hold: the facts about its subject are compared as they are now, with the last
  /// listing that was read; then Terra is asked about the one id.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - findingID: the finding.
  ///   - by: who, 1 to 1,024 bytes without control characters; for the audit.
  ///   - isDryRun: whether Terra is only asked, and nothing is written.
  /// - Returns: what was done, or would be: `left`, and why, where nothing can be proved.
  /// - Throws: `tenant_unknown`, `not_found`, `invalid_request` for `by`, `finding_resolved` where it has vanished or was
  ///   repaired, also meanwhile; `shadow_mode`; `terra_unavailable` and what else a call to Terra gives; `secret_unreadable`;
  ///   `database_unavailable`.
  public func repair(
    tenant slug: String, finding findingID: UUID, by: String, isDryRun: Bool = false
  ) async throws -> Repair {
    try Words.check(by, field: "by")
    let tenant = try await directory.tenant(slug)
    if tenant.shadow { throw AuthSessions.shadow }
    let finding = try await standing(findingID, tenant)
    guard let family = RepairCase.family(of: finding.kind) else {
      return finding.left("No answer of Terra's settles a finding of this kind. \(finding.suggestion)")
    }
    var safe = SafeRepair(
      database: database, tenant: tenant, questions: questions(slug, patience: TerraQuestions.longestPause),
      runID: nil, actor: by, isDryRun: isDryRun, now: timing.now
    ) { [database] userID, statements in try await database.run(tenant.id, locking: [userID], statements) }
    // Read before the facts are compared: whatever is recorded from here on stops an ending.
    guard let repair = try await safe.candidates(among: [findingID]).first else {
      throw Self.resolved("The finding was resolved just now: there is nothing to repair.")
    }
    let compared = try await comparison(finding, family, tenant)
    guard compared.holds else { return finding.left("The facts agree by now: the next run resolves it.") }
    safe.absenceDoubt = compared.absenceDoubt
    var hasProof = false
    switch try await safe.take(repair, hasProof: &hasProof) {
    case .dealtWith(let done):
      if done.act == .left, !isDryRun { try await note(done, tenant) }
      return done
    case .interrupted(_, let error as TerraAPIError):
      throw TerraRefusal(error, namesResource: false).problem
    case .interrupted(let reason, let error):
      if let error { throw error }
      return finding.left(reason)
    }
  }

  /// The finding, if it stands.
  private func standing(_ findingID: UUID, _ tenant: Tenant) async throws -> Finding {
    let shown = Findings.one(RegistryStatements.findingList, tenant.id, findingID)
    guard let row = try await database.run(tenant.id, shown).rows.first else { throw RegistryError.notFound("finding") }
    let finding = try Finding(row: row, tenant: tenant.slug)
    guard finding.status == .open || finding.status == .acknowledged else {
      throw Self.resolved("The finding is resolved (\(finding.status.rawValue)): there is nothing to repair.")
    }
    return finding
  }

  /// Whether a comparison of now finds it as well, and why absence from the listing that it rests on does not count, read after
  /// it, so that no listing comes between. Nothing of that comparison is kept.
  private func comparison(
    _ finding: Finding, _ family: SubjectFamily, _ tenant: Tenant
  ) async throws -> (holds: Bool, absenceDoubt: String?) {
    let (id, runID) = (PostgresParameter.uuid(tenant.id), UUID.version7())
    let results = try await database.rehearsing(tenant.id) { [timing] database in
      try await database.run(
        tenant.id,
        [
          RegistryStatements.providerListingRedate(id),
          family.judge([finding.subject.id], of: tenant, runID: runID, timing: timing),
          RegistryStatements.reconcileVanish(
            id, .uuid(runID), .text(family.rawValue), .textArray([finding.subject.id])
          ).plannedAnew,
          Findings.one(RegistryStatements.findingList, tenant.id, finding.id),
          RegistryStatements.providerListingLast(id),
        ])
    }
    let status = try results.dropLast().last?.rows.first?.decode("status", as: String.self)
    let standing = [FindingStatus.open.rawValue, FindingStatus.acknowledged.rawValue]
    return (status.map(standing.contains) ?? false, try results.last?.rows.first?.decodeIfPresent("reason"))
  }

  /// Says in the finding what was tried and why it was left, unless somebody else has repaired it meanwhile.
  private func note(_ left: Repair, _ tenant: Tenant) async throws {
    _ = try await database.run(
      tenant.id, locking: [left.findingID.text],
      [
        RegistryStatements.findingRepairLeft(
          .uuid(tenant.id), .uuid(left.findingID), .text(left.reason), .uuid(left.correctionID))
      ])
    _ = try await standing(left.findingID, tenant)
  }

  private static func resolved(_ reason: String) -> RegistryError { RegistryError(.findingResolved, reason) }
}

extension Finding {
  /// What a repair says of it that was not tried.
  fileprivate func left(_ reason: String) -> Repair {
    Repair(
      findingID: id, kind: kind, userID: subject.type == "user_id" ? subject.id : nil, act: .left, reason: reason,
      correctionID: nil)
  }
}

public import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

extension Reconciliations {
  /// Takes the effect of a finding's repair back, by a later correction, where Terra's answer of now allows it.
  ///
  /// What a repair ended lives again if Terra has it authenticated and active; what a repair confirmed ends if Terra does not
  /// know it. An app user, a name or scopes that the repair brought stay. The finding stands again; the next run judges it.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - findingID: the finding that was repaired.
  ///   - by: who, 1 to 1,024 bytes without control characters.
  ///   - reason: why, likewise.
  /// - Returns: the finding, open again.
  /// - Throws: `tenant_unknown`, `not_found`, `invalid_request` for a field that cannot be taken; `repair_not_undoable` where
  ///   there is no such repair, something newer was recorded, or Terra says otherwise; `shadow_mode`; `terra_unavailable` and
  ///   what else a call to Terra gives; `database_unavailable`.
  public func undoRepair(tenant slug: String, finding findingID: UUID, by: String, reason: String) async throws
    -> Finding
  {
    try Words.check(by, field: "by")
    try Words.check(reason, field: "reason")
    let tenant = try await directory.tenant(slug)
    if tenant.shadow { throw AuthSessions.shadow }
    let (id, finding) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(findingID))
    guard let row = try await database.run(tenant.id, RegistryStatements.findingRepairMade(id, finding)).rows.first
    else {
      throw RegistryError.notFound("finding")
    }
    guard let made = try UndoDecision.Made(row: row) else {
      throw Self.notUndoable("No correction is known that repaired this finding.")
    }
    let decision = UndoDecision(made: made)
    if let refusal = decision.refusal { throw Self.notUndoable(refusal) }
    let asked = timing.now()
    do {
      try await ask(decision, slug, tenant)
    } catch let error as TerraAPIError {
      throw TerraRefusal(error, namesResource: false).problem
    }
    let correctionID = UUID.version7()
    let instant = Instant(asked).advanced(by: .zero - ObservedFact.clockError)
    let key = OrderKey(instant: instant, rank: .correction, factID: correctionID.text)
    guard key > made.latest else {
      throw Self.notUndoable("The clock went back: the repair is later than this moment.")
    }
    let correction = PostgresParameter.uuid(correctionID)
    let words = "The repair was undone by \(by): \(reason)"
    let undone = [
      RegistryStatements.correctionInsertUndoing(
        id, correction, .timestamp(microsecondsSince1970: instant.microseconds), finding, .uuid(made.correctionID),
        .timestamp(made.recordedAt), .text(reason),
        .text(#"{"finding":"\#(findingID.text)","undoes":"\#(made.correctionID.text)"}"#),
        ErasedSubject.fence([.userID(made.userID)], tenantID: tenant.id)),
      RegistryStatements.connectionApplyCorrection(id, .text(made.userID), correction, .text(key.rawValue)),
    ]
    let statements =
      undone
      + ConnectionTransition.statements(
        tenantID: tenant.id, userID: made.userID, cause: .correction(correctionID))
      + [RegistryStatements.findingUndone(id, finding, correction, .text(words))]
      + FindingTransition.statements(tenantID: tenant.id, runID: nil)
      + [
        AuditEntry(
          actor: by, action: "finding.undo", subject: findingID.text,
          detail: ["correction": correctionID.text, "undoes": made.correctionID.text, "reason": reason]
        ).statement(tenantID: tenant.id),
        Findings.one(RegistryStatements.findingList, tenant.id, findingID),
      ]
    let results = try await database.run(tenant.id, locking: [made.userID], statements)
    // Repeated, because the answer to a COMMIT was lost, it writes nothing and finds the finding undone by itself.
    guard let shown = try results.last?.rows.first.map({ try Finding(row: $0, tenant: slug) }),
      results[0].affectedRows == 1 || shown.repair?.correctionID == correctionID
    else {
      throw Self.notUndoable("Something was recorded about the connection meanwhile: look at it, and ask again.")
    }
    return shown
  }

  /// Asks Terra about the connection; an end is believed only where Terra, asked with the same key, knows another one.
  private func ask(_ decision: UndoDecision, _ slug: String, _ tenant: Tenant) async throws {
    let safe = SafeRepair(
      database: database, tenant: tenant, questions: questions(slug, patience: TerraQuestions.longestPause),
      runID: .version7(), isDryRun: true, absenceDoubt: nil, now: timing.now
    ) { _, _ in
      throw RegistryError(.internalFailure, "a question to Terra was about to write")
    }
    let answer = try await safe.ask(decision.made.userID).answer
    if let refusal = decision.refusal(after: answer) { throw Self.notUndoable(refusal) }
    if decision.made.verdict == .gone { return }
    guard try await safe.isOwnEnvironment() else {
      throw Self.notUndoable(
        "Terra knows none of the connections that its last listing held and that signed events speak of, or none was read: "
          + "the key may be that of another environment, and nothing is ended.")
    }
  }

  private static func notUndoable(_ reason: String) -> RegistryError { RegistryError(.repairNotUndoable, reason) }
}

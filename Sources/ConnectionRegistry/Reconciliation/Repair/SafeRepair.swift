import Foundation
import Logging
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Settles what Terra's answers about single connections prove. Every act is a correction, which joins like any fact: what
/// is signed later comes before it, and a repetition changes nothing.
struct SafeRepair: Sendable {
  let database: RegistryDatabase
  let tenant: Tenant
  let questions: TerraQuestions
  /// The run in whose name it is done; nil where somebody asked for it by itself.
  let runID: UUID?
  /// Who does it, for the audit.
  var actor = Self.source
  let isDryRun: Bool
  /// Why absence from the last listing does not count; nil where it does.
  var absenceDoubt: String?
  /// The present moment.
  var now: @Sendable () -> Date = { Date() }
  /// Runs statements about a `user_id` as one transaction of the run.
  let transaction: @Sendable (_ userID: String, [BoundStatement]) async throws -> [PostgresResult]

  /// How many findings are read at a time.
  static let slice = 200
  /// Through which surface corrections come, and who makes a run's repairs, for the audit.
  static let source = "reconcile"

  /// What became of the findings, and why it ended early.
  struct Outcome: Sendable {
    var repairs: [Repair] = []
    var interruption: String?
  }

  /// Goes through the open findings, oldest first.
  ///
  /// - Parameters:
  ///   - left: findings that are left out.
  ///   - others: findings that are not written yet; they come last.
  /// - Returns: one repair per finding that was looked at.
  /// - Throws: `database_unavailable`, `CancellationError`, and what `transaction` throws.
  func run(besides left: Set<UUID> = [], and others: [RepairCase] = []) async throws -> Outcome {
    var outcome = Outcome()
    var hasProof = false
    let standing = try await allCandidates().filter { !left.contains($0.findingID) }
    for repair in standing + others {
      try Task.checkCancellation()
      switch try await take(repair, hasProof: &hasProof) {
      case .dealtWith(let done): outcome.repairs.append(done)
      case .interrupted(let reason, _):
        outcome.interruption = reason
        return outcome
      }
    }
    return outcome
  }

  /// All open findings that an answer of Terra's may settle.
  private func allCandidates() async throws -> [RepairCase] {
    var all: [RepairCase] = []
    while true {
      let next = try await candidates(after: all.last?.place)
      all += next
      if next.count < Self.slice { return all }
    }
  }

  /// What came of one finding.
  enum Step: Sendable {
    case dealtWith(Repair)
    /// Terra cannot be asked about this one and those after it: why, and by what; nil is by what Terra answers.
    case interrupted(String, by: (any Error)?)
  }

  /// Those of some findings that are open and that an answer of Terra's may settle.
  func candidates(among findings: [UUID]) async throws -> [RepairCase] {
    var all: [RepairCase] = []
    var left = findings[...]
    while !left.isEmpty {
      all += try await candidates(after: nil, among: Array(left.prefix(Self.slice)))
      left = left.dropFirst(Self.slice)
    }
    return all
  }

  /// The next open findings that an answer of Terra's may settle.
  ///
  /// - Parameters:
  ///   - place: after which; nil is from the first one.
  ///   - findings: which alone are looked at; nil is all.
  /// - Returns: ``slice`` of them at most, oldest first.
  /// - Throws: `database_unavailable`.
  func candidates(after place: RepairCase.Place?, among findings: [UUID]? = nil) async throws -> [RepairCase] {
    let results = try await database.run(
      tenant.id, compiles: false,
      [
        RegistryStatements.repairCandidates(
          .uuid(tenant.id), .textArray(RepairCase.kinds.map(\.rawValue)), .timestamp(place?.firstSeenAt),
          .uuid(place?.findingID), .int(Self.slice), findings.map { .uuidArray($0) } ?? .null
        ).plannedAnew
      ])
    return try (results.first?.rows).map { try $0.map(RepairCase.init(row:)) } ?? []
  }

  /// Deals with one finding.
  ///
  /// - Parameters:
  ///   - repair: the finding.
  ///   - hasProof: whether Terra has shown that it knows this environment's connections; asked before the first ending.
  /// - Returns: what came of it.
  /// - Throws: `database_unavailable`, `CancellationError`, and what `transaction` throws.
  func take(_ repair: RepairCase, hasProof: inout Bool) async throws -> Step {
    if let settled = RepairDecision.withoutAsking(repair, absenceDoubt: absenceDoubt) {
      return .dealtWith(repair.left(settled))
    }
    do {
      if repair.kind == .missingAtProvider, !hasProof {
        guard try await isOwnEnvironment() else {
          return .interrupted(
            "Terra knows none of the connections that its listing held and that signed events speak of: the key may be that "
              + "of another environment, and nothing is ended.", by: nil)
        }
        hasProof = true
      }
      return .dealtWith(try await settle(repair))
    } catch let error as TerraAPIError {
      return .interrupted("Terra could not be asked about every finding: \(error).", by: error)
    } catch let error as RegistryError where error.code == .secretUnreadable {
      return .interrupted(
        tenant.remark("Terra was not asked about findings that its answer may settle", forWantOfCredentials: error),
        by: error)
    }
  }

  /// Whether Terra, asked with this very key, knows a connection that the listing held and that a signed event speaks of.
  /// Without this a key of another environment, which knows nobody, would end everybody.
  func isOwnEnvironment() async throws -> Bool {
    let witnesses = RegistryStatements.repairWitnesses(.uuid(tenant.id), .int(OwnEnvironment.witnesses))
    let rows = try await database.run(tenant.id, compiles: false, [witnesses.plannedAnew])
    for row in rows.first?.rows.map({ $0 }) ?? [] {
      let userID: String = try row.decode("user_id")
      if case .known = try await ask(userID).answer { return true }
    }
    return false
  }

  /// Asks Terra about one connection, and says from which moment on the answer holds.
  func ask(_ userID: String) async throws -> (answer: RepairDecision.Answer, asked: Date) {
    let asked = now()
    do {
      let info = try await questions.ask { try await $0.userInfo(userID: userID) }
      return (.known(info.user, isAuthenticated: info.isAuthenticated), asked)
    } catch let error as TerraAPIError where error.code == .notFound {
      return (.unknown, asked)
    }
  }

  /// Asks Terra about the app user of a session of which no id is known.
  private func candidate(of repair: RepairCase) async throws -> SessionCandidates.Choice {
    guard let referenceID = repair.referenceID else { return .leave("No user_id is known for it.") }
    let users: [TerraUser]
    do {
      users = try await questions.ask { try await $0.userInfo(referenceID: referenceID) }
    } catch let error as TerraAPIError where error.code == .notFound {
      users = []
    }
    let known = try await Connection.several(users.map(\.userID), database, tenantID: tenant.id)
    return SessionCandidates(repair: repair, known: Set(known.keys.map(ExactText.init))).choose(among: users)
  }

  private func settle(_ asked: RepairCase) async throws -> Repair {
    var repair = asked
    if repair.isAskedByReference {
      switch try await candidate(of: repair) {
      case .leave(let reason): return repair.left(.leave(reason))
      case .one(let userID): repair.userID = userID
      }
    }
    guard let userID = repair.userID else { return repair.left(.leave("No user_id is known for it.")) }
    let (answer, asked) = try await ask(userID)
    let decision = RepairDecision.after(answer, repair)
    switch decision {
    case .leave: return repair.left(decision)
    case .confirm(let user):
      if try await isForeign(user.userID) {
        return repair.left(
          .leave("Terra knows it, but nothing shows that it is this environment's: a person must look."))
      }
      let reason = "Terra has the connection authenticated, and no signed event says so."
      if isDryRun { return repair.done(.confirmed, reason, nil) }
      let fact = fact(user, repair, asked: asked)
      guard
        try await write(
          fact.statements(tenantID: tenant.id), fact.correctionID, repair, user.userID, reason, isLive: true)
      else {
        return repair.left(
          .leave("A later fact says that it has ended, or somebody else has repaired it meanwhile."), fact.correctionID)
      }
      return repair.done(.confirmed, reason, fact.correctionID)
    case .end:
      let reason = "Two complete listings do not hold it, and Terra, asked about it, does not know it."
      if isDryRun { return repair.done(.ended, reason, nil) }
      let correctionID = UUID.version7()
      let statements = ending(userID, repair, correctionID, asked: asked, reason: reason)
      guard try await write(statements, correctionID, repair, userID, reason, isLive: false) else {
        return repair.left(
          .leave("Something was recorded about it meanwhile, or the finding resolved: the next run looks again."))
      }
      return repair.done(.ended, reason, correctionID)
    }
  }

  /// Whether it is alive with another tenant: what that one holds is not taken over by Terra's answer alone, which the wrong
  /// key may have brought. Why it is left tells the tenant nothing of the other.
  private func isForeign(_ userID: String) async throws -> Bool {
    let results = try await database.runAcrossTenants([
      RegistryStatements.connectionOfAnotherTenant(.uuid(tenant.id), .text(userID)).plannedAnew
    ])
    return try results.first?.rows.first?.decode("is_foreign") ?? false
  }

  /// Where Terra names nobody, the session's own reference_id serves, as it does for an event.
  private func fact(_ user: TerraUser, _ repair: RepairCase, asked: Date) -> ObservedFact {
    let attributes = ConnectionAttributes(
      referenceID: user.referenceID ?? repair.referenceID, resource: user.resource?.rawValue ?? repair.resource,
      scopes: user.scopes)
    return ObservedFact(
      .alive, of: user.userID, askedAt: asked, source: Self.source, reason: repair.kind.rawValue,
      attributes: attributes, evidence: evidence(repair))
  }

  private func ending(
    _ userID: String, _ repair: RepairCase, _ correctionID: UUID, asked: Date, reason: String
  ) -> [BoundStatement] {
    let id = PostgresParameter.uuid(tenant.id)
    let instant = Instant(asked).advanced(by: .zero - ObservedFact.clockError)
    let key = OrderKey(instant: instant, rank: .correction, factID: correctionID.text)
    return [
      RegistryStatements.correctionInsertIfLive(
        id, .uuid(correctionID), .timestamp(microsecondsSince1970: instant.microseconds), .text(userID),
        .text(Self.source), .text(reason), .text(evidence(repair)), .timestamp(repair.recordedAt),
        ErasedSubject.fence([.userID(userID)], tenantID: tenant.id), .uuid(repair.findingID)),
      RegistryStatements.connectionApplyCorrection(id, .text(userID), .uuid(correctionID), .text(key.rawValue)),
    ] + ConnectionTransition.statements(tenantID: tenant.id, userID: userID, cause: .correction(correctionID))
  }

  /// Writes a correction and closes the finding, with an entry in the audit, in one transaction, if the connection is then as
  /// the correction says.
  ///
  /// - Returns: whether the finding is repaired.
  private func write(
    _ statements: [BoundStatement], _ correctionID: UUID, _ repair: RepairCase, _ userID: String, _ reason: String,
    isLive: Bool
  ) async throws -> Bool {
    let (id, run) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(runID))
    let act: Repair.Act = isLive ? .confirmed : .ended
    var audit = AuditEntry(
      actor: actor, action: "finding.repair", subject: repair.findingID.text,
      detail: [
        "act": act.rawValue, "correction": correctionID.text, "kind": repair.kind.rawValue, "reason": reason,
      ])
    audit.detail["run"] = runID?.text
    let closing = [
      RegistryStatements.findingRepaired(
        id, .uuid(repair.findingID), run, .text(userID), .uuid(correctionID), .bool(isLive), .text(reason)),
      audit.statement(tenantID: tenant.id),
    ]
    let results = try await transaction(
      userID, statements + closing + FindingTransition.statements(tenantID: tenant.id, runID: runID))
    return results[statements.count].affectedRows == 1
  }

  private func evidence(_ repair: RepairCase) -> String {
    let run = runID.map { #","run":"\#($0.text)""# } ?? ""
    return #"{"finding":"\#(repair.findingID.text)"\#(run)}"#
  }
}

extension RepairCase {
  fileprivate func done(_ act: Repair.Act, _ reason: String, _ correctionID: UUID?) -> Repair {
    Repair(findingID: findingID, kind: kind, userID: userID, act: act, reason: reason, correctionID: correctionID)
  }

  fileprivate func left(_ decision: RepairDecision, _ correctionID: UUID? = nil) -> Repair {
    guard case .leave(let reason) = decision else { return done(.left, "Nothing was proved.", correctionID) }
    return done(.left, reason, correctionID)
  }
}

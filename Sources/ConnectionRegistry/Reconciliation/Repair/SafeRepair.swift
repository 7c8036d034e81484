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
  /// The run in whose name it is done.
  let runID: UUID
  let isDryRun: Bool
  /// Why absence from the last listing does not count; nil where it does.
  let absenceDoubt: String?

  /// How many findings are read at a time.
  static let slice = 200
  /// The bound on the error of this machine's clock against Terra's.
  static let clockError: Duration = .seconds(2)

  /// What became of the findings, and why it ended early.
  struct Outcome: Sendable {
    var repairs: [Repair] = []
    var interruption: String?
  }

  /// Goes through the open findings, oldest first.
  ///
  /// - Parameter progress: called after each finding, so that the run keeps its lease.
  /// - Returns: one repair per finding that was looked at.
  /// - Throws: `database_unavailable`, `CancellationError`, and what `progress` throws.
  func run(progress: () async throws -> Void) async throws -> Outcome {
    var outcome = Outcome()
    var last: RepairCase?
    var hasProof = false
    while true {
      let rows = try await database.run(
        tenant.id, compiles: false,
        [
          RegistryStatements.repairCandidates(
            .uuid(tenant.id), .textArray(RepairCase.kinds.map(\.rawValue)), .timestamp(last?.firstSeenAt),
            .uuid(last?.findingID), .int(Self.slice)
          ).plannedAnew
        ])
      let cases = try (rows.first?.rows).map { try $0.map(RepairCase.init(row:)) } ?? []
      for repair in cases {
        try Task.checkCancellation()
        if let settled = RepairDecision.withoutAsking(repair, absenceDoubt: absenceDoubt) {
          outcome.repairs.append(repair.left(settled))
          continue
        }
        if repair.kind == .missingAtProvider, !hasProof {
          guard try await isOwnEnvironment() else {
            outcome.interruption =
              "Terra knows none of the connections that its listing held: the key may be that of another environment, and "
              + "nothing is ended."
            return outcome
          }
          hasProof = true
        }
        do {
          outcome.repairs.append(try await settle(repair))
        } catch let error as TerraAPIError {
          outcome.interruption = "Terra could not be asked about every finding: \(error)."
          return outcome
        }
        try await progress()
      }
      guard cases.count == Self.slice else { return outcome }
      last = cases.last
    }
  }

  /// Whether Terra, asked with this very key, knows a connection that the listing held. Without this a key of another
  /// environment, which knows nobody, would end everybody.
  private func isOwnEnvironment() async throws -> Bool {
    let rows = try await database.run(
      tenant.id, compiles: false, [RegistryStatements.repairWitnesses(.uuid(tenant.id), .int(3)).plannedAnew])
    for row in rows.first?.rows.map({ $0 }) ?? [] {
      let userID: String = try row.decode("user_id")
      if case .known = try await ask(userID).answer { return true }
    }
    return false
  }

  private func ask(_ userID: String) async throws -> (answer: RepairDecision.Answer, asked: Date) {
    let asked = Date()
    do {
      let info = try await questions.ask { try await $0.userInfo(userID: userID) }
      return (.known(info.user, isAuthenticated: info.isAuthenticated), asked)
    } catch let error as TerraAPIError where error.code == .notFound {
      return (.unknown, asked)
    }
  }

  private func settle(_ repair: RepairCase) async throws -> Repair {
    guard let userID = repair.userID else { return repair.left(.leave("No user_id is known for it.")) }
    let (answer, asked) = try await ask(userID)
    let decision = RepairDecision.after(answer, repair)
    let instant = Instant(microseconds: Int64(asked.timeIntervalSince1970 * 1_000_000)).advanced(
      by: .zero - Self.clockError)
    let correctionID = UUID.version7()
    switch decision {
    case .leave: return repair.left(decision)
    case .confirm(let user):
      let reason = "Terra has the connection authenticated, and no signed event says so."
      if isDryRun { return repair.done(.confirmed, reason, nil) }
      try await confirm(user, repair, correctionID, at: instant)
      guard try await holds(userID, { $0 == .active || $0 == .degraded }) else {
        return repair.left(.leave("A later fact says that it has ended."), correctionID)
      }
      try await finish(repair)
      return repair.done(.confirmed, reason, correctionID)
    case .end:
      let reason = "Two complete listings do not hold it, and Terra, asked about it, does not know it."
      if isDryRun { return repair.done(.ended, reason, nil) }
      guard try await end(userID, repair, correctionID, at: instant, reason: reason) else {
        return repair.left(.leave("Something was recorded about it meanwhile: the next run looks again."))
      }
      try await finish(repair)
      return repair.done(.ended, reason, correctionID)
    }
  }

  private func confirm(
    _ user: TerraUser, _ repair: RepairCase, _ correctionID: UUID, at instant: Instant
  ) async throws {
    let id = PostgresParameter.uuid(tenant.id)
    // Where Terra names nobody, the session's own reference_id serves, as it does for an event.
    let attributes = ConnectionAttributes(
      referenceID: user.referenceID ?? repair.referenceID, resource: user.resource?.rawValue ?? repair.resource,
      scopes: user.scopes)
    let fact = ConnectionFact(
      userID: user.userID, evidence: .correction(.alive), at: instant, factID: correctionID.text,
      attributes: attributes)
    var statements: [BoundStatement] = []
    if let person = attributes.referenceID {
      statements.append(RegistryStatements.appUserInsert(id, .textArray([person])))
    }
    statements += [
      fact.registers.joinStatement(tenantID: tenant.id, userID: user.userID),
      RegistryStatements.correctionInsert(
        id, .uuid(correctionID), .timestamp(microsecondsSince1970: instant.microseconds), .text(user.userID),
        .text(CorrectionVerdict.alive.rawValue), .text("reconcile"), .text(repair.kind.rawValue),
        .text(evidence(repair))),
      RegistryStatements.connectionChangeAppend(
        id, .text(user.userID), .text("correction"), .text(correctionID.text), .null),
    ]
    _ = try await database.run(tenant.id, locking: [user.userID], naming: attributes.referenceID, statements)
  }

  /// - Returns: whether the connection was still as it was, and has ended.
  private func end(
    _ userID: String, _ repair: RepairCase, _ correctionID: UUID, at instant: Instant, reason: String
  ) async throws -> Bool {
    let id = PostgresParameter.uuid(tenant.id)
    let key = OrderKey(instant: instant, rank: .correction, factID: correctionID.text)
    let results = try await database.run(
      tenant.id, locking: [userID],
      [
        RegistryStatements.correctionInsertIfLive(
          id, .uuid(correctionID), .timestamp(microsecondsSince1970: instant.microseconds), .text(userID),
          .text("reconcile"), .text(reason), .text(evidence(repair)), .timestamp(repair.recordedAt)),
        RegistryStatements.connectionApplyCorrection(id, .text(userID), .uuid(correctionID), .text(key.rawValue)),
        RegistryStatements.connectionChangeAppend(
          id, .text(userID), .text("correction"), .text(correctionID.text), .null),
      ])
    guard results[0].affectedRows == 1 else { return false }
    return try await holds(userID) { $0 != .active && $0 != .degraded }
  }

  private func holds(_ userID: String, _ wanted: (ConnectionStatus) -> Bool) async throws -> Bool {
    let row = try await database.run(
      tenant.id, RegistryStatements.connectionShow(.uuid(tenant.id), .text(userID))
    ).rows.first
    return try row.map { wanted(try ConnectionStatus(column: try $0.decode("status"))) } ?? false
  }

  private func finish(_ repair: RepairCase) async throws {
    let (id, run) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(runID))
    _ = try await database.run(
      tenant.id,
      [
        RegistryStatements.findingRepaired(id, .uuid(repair.findingID), run),
        RegistryStatements.findingChangeAppend(id, run), RegistryStatements.findingChangeAnnounce(id),
      ])
  }

  private func evidence(_ repair: RepairCase) -> String {
    #"{"finding":"\#(repair.findingID.text)","run":"\#(runID.text)"}"#
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

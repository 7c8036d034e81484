import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// What the registry itself observed of one connection, as the statements that write it: the correction, the row that
/// it joins, and the change.
struct ObservedFact: Sendable {
  /// By how much the clocks of two machines may differ: an observation holds for a moment that much earlier.
  static let clockError: Duration = .seconds(2)

  let userID: String
  let correctionID = UUID.version7()
  private let verdict: CorrectionVerdict
  private let registers: ConnectionRegisters
  private let instant: Instant
  private let source: String
  private let reason: String
  let referenceID: String?
  private let evidence: String

  /// An answer of Terra's about one id.
  ///
  /// - Parameters:
  ///   - verdict: what the answer proves.
  ///   - userID: the connection.
  ///   - askedAt: the moment before the question was sent.
  ///   - source: through which surface: `gateway`, `import`, `api`, `reconcile`. An `undo` of a repair is written by
  ///     `correction_insert_undoing`, whose verdict is the opposite of the repair's.
  ///   - reason: what the answer was.
  ///   - attributes: the values that the answer carries.
  ///   - evidence: what led to the question, as a JSON object.
  init(
    _ verdict: CorrectionVerdict, of userID: String, askedAt: Date, source: String, reason: String,
    attributes: ConnectionAttributes = .none, evidence: String = "{}"
  ) {
    let instant = Instant(askedAt).advanced(by: .zero - Self.clockError)
    let fact = ConnectionFact(
      userID: userID, evidence: .correction(verdict), at: instant, factID: correctionID.text, attributes: attributes)
    self.userID = userID
    self.verdict = verdict
    self.instant = instant
    self.source = source
    self.reason = reason
    referenceID = attributes.referenceID
    self.evidence = evidence
    registers = fact.registers
  }

  /// Our own successful deauthentication. It holds from the moment of Terra's answer: nothing that was asked before can
  /// show the connection alive after it, and ids are not used again.
  ///
  /// - Parameters:
  ///   - userID: the connection.
  ///   - answeredAt: when Terra's answer came.
  ///   - source: through which surface.
  init(deauthenticationOf userID: String, answeredAt: Date, source: String) {
    instant = Instant(answeredAt)
    let fact = ConnectionFact(
      userID: userID, evidence: .deauthenticated, at: instant, factID: correctionID.text)
    self.userID = userID
    verdict = .gone
    self.source = source
    reason = "deauthenticated"
    referenceID = nil
    evidence = "{}"
    registers = fact.registers
  }

  /// The statements, in the order in which everybody locks. About a connection that was erased they write nothing.
  func statements(tenantID: UUID) -> [BoundStatement] {
    let id = PostgresParameter.uuid(tenantID)
    let fence = ErasedSubject.fence([.userID(userID)], tenantID: tenantID)
    var statements: [BoundStatement] = []
    if let referenceID { statements.append(RegistryStatements.appUserInsert(id, .textArray([referenceID]), fence)) }
    statements += [
      registers.joinStatement(tenantID: tenantID, userID: userID),
      RegistryStatements.correctionInsert(
        id, .uuid(correctionID), .timestamp(microsecondsSince1970: instant.microseconds), .text(userID),
        .text(verdict.rawValue), .text(source), .text(reason), .text(evidence), fence),
    ]
    return statements
      + ConnectionTransition.statements(tenantID: tenantID, userID: userID, cause: .correction(correctionID))
  }

  /// Writes it in a transaction of its own.
  func write(_ database: RegistryDatabase, tenantID: UUID) async throws {
    _ = try await database.run(
      tenantID, locking: [userID], naming: referenceID, statements(tenantID: tenantID))
  }
}

extension Connection {
  /// Whether a description of Terra's, which shows the connection alive, says what the row does not.
  func isNews(_ user: TerraUser) -> Bool {
    if !status.isLive { return true }
    if let person = user.referenceID, referenceID?.utf8.elementsEqual(person.utf8) != true { return true }
    if let name = user.resource?.rawValue, resource != name { return true }
    return false
  }
}

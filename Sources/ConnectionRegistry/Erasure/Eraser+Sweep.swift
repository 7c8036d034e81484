import Foundation
import RegistryPostgres
import RegistrySQL
import RegistryTerra

extension Eraser {
  /// Takes out what came from outside.
  func sweepFacts(_ scope: PersonScope, _ erasure: inout Erasure) async throws {
    for part in PersonSearch.parts(scope.events) {
      erasure.events += try await write([
        RegistryStatements.eraseEventKeys(id, .uuidArray(part)), RegistryStatements.eraseEvents(id, .uuidArray(part)),
      ])[1].affectedRows
    }
    for part in PersonSearch.parts(scope.receipts) {
      erasure.receipts += try await write([
        RegistryStatements.eraseReceiptKeys(id, .uuidArray(part)),
        RegistryStatements.eraseReceipts(id, .uuidArray(part)),
      ])[1].affectedRows
    }
    for part in PersonSearch.parts(scope.callbacks) {
      erasure.callbacks += try await write([RegistryStatements.eraseCallbacks(id, .uuidArray(part))])[0].affectedRows
    }
    try await sweepListed(scope.listed) { RegistryStatements.eraseListed(id, $0, $1) }
    try await sweepListed(scope.listedOthers) { RegistryStatements.eraseListedNames(id, $0, $1, scope.references) }
    for part in PersonSearch.parts(scope.sessions) {
      erasure.sessions += try await write([RegistryStatements.eraseSessions(id, .uuidArray(part))])[0].affectedRows
    }
    for part in PersonSearch.parts(scope.userIDs) {
      let users = PostgresParameter.textArray(part.map(\.text))
      _ = try await write([RegistryStatements.eraseSessionUsers(id, users, scope.references)])
      _ = try await write([RegistryStatements.eraseReplaced(id, users)])
    }
    // One at a time, as their writers lock them.
    for userID in scope.userIDs.sorted() {
      let user = PostgresParameter.text(userID.text)
      _ = try await write([RegistryStatements.eraseSuccessors(id, user)])
      erasure.connections += try await write([
        RegistryStatements.eraseConnectionLock(id, user),
        RegistryStatements.eraseTags(id, .text("connection"), .textArray([userID.text])),
        RegistryStatements.eraseCorrections(id, user), RegistryStatements.eraseChanges(id, user),
        RegistryStatements.eraseConnection(id, user),
      ])[4].affectedRows
    }
  }

  private func sweepListed(
    _ rows: Set<PersonScope.Listed>, _ statement: (PostgresParameter, PostgresParameter) -> BoundStatement
  ) async throws {
    let rows = Array(rows)
    for start in stride(from: 0, to: rows.count, by: Self.batch) {
      let part = rows[start..<min(start + Self.batch, rows.count)]
      _ = try await write([statement(.uuidArray(part.map(\.listingID)), .textArray(part.map(\.userID.text)))])
    }
  }

  /// Takes out what was made of the facts.
  func sweepWhatFollows(_ scope: PersonScope, _ erasure: inout Erasure) async throws {
    // Before the deliveries: who changes a finding holds its row until what tells of that is written.
    for asOperator in [false, true] {
      erasure.findings += try await sweepFindings(scope, asOperator: asOperator)
    }
    for userID in scope.userIDs.sorted() {
      var count: Int
      repeat {
        count = try await write([RegistryStatements.eraseDeliveries(id, .text(userID.text), .int(Self.batch))])[0]
          .affectedRows
        erasure.deliveries += count
      } while count == Self.batch
    }
    let subjects = scope.runSubjects
    for start in stride(from: 0, to: subjects.count, by: Self.batch) {
      let part = subjects[start..<min(start + Self.batch, subjects.count)]
      _ = try await write([
        RegistryStatements.eraseSubjects(id, .textArray(part.map(\.family)), .textArray(part.map(\.subject)))
      ])
    }
    for part in PersonSearch.parts(scope.userIDs) {
      let users = PostgresParameter.textArray(part.map(\.text))
      _ = try await write([RegistryStatements.eraseDifferences(id, users)])
      _ = try await write([RegistryStatements.eraseConsumerPlaces(id, users)])
    }
    erasure.deliveries += try await sweepDeliveriesByBody(scope)
    try await sweepAudit(scope)
    try await sweepAnswers(scope, &erasure)
    erasure.leftReceipts = scope.unreadReceipts.count
  }

  private func sweepFindings(_ scope: PersonScope, asOperator: Bool) async throws -> Int {
    typealias Statements = RegistryStatements
    let found = try await search.findings(of: scope, asOperator: asOperator)
    let subjects = PostgresParameter.textArray(scope.findingSubjects)
    var erased = 0
    for part in PersonSearch.parts(found.theirs) {
      let ids = PostgresParameter.uuidArray(part)
      let statements =
        asOperator
        ? [
          Statements.eraseFindingsLockForOperators(id, ids), Statements.eraseFindingChangesForOperators(id, ids),
          Statements.eraseFindingsForOperators(id, ids),
        ]
        : [
          Statements.eraseFindingsLock(id, ids), Statements.eraseFindingChanges(id, ids),
          Statements.eraseFindings(id, ids),
        ]
      erased += try await write(statements, asOperator: asOperator)[2].affectedRows
    }
    for part in PersonSearch.parts(found.others) {
      let ids = PostgresParameter.uuidArray(part)
      let statement =
        asOperator
        ? Statements.eraseWitnessesForOperators(id, ids, subjects) : Statements.eraseWitnesses(id, ids, subjects)
      _ = try await write([statement], asOperator: asOperator)
    }
    return erased
  }

  /// Takes out the deliveries about findings of theirs. Others' that name them stay, without the names.
  private func sweepDeliveriesByBody(_ scope: PersonScope) async throws -> Int {
    let names = PostgresParameter.textArray(scope.names)
    let subjects = Set(scope.findingSubjects.map(ExactText.init))
    var theirs: Set<UUID> = []
    var bodies: [(id: UUID, body: String, without: String)] = []
    try await search.pages {
      RegistryStatements.personDeliveriesPage(id, .uuid($0), .int(PersonSearch.page), names)
    } each: { row in
      guard let body = try row.decodeIfPresent("body", as: String.self), let value = try? JSONParser.parse(body.utf8)
      else { return }
      let deliveryID = try row.decode("place", as: UUID.self)
      if let subject = value["data"]?["finding"]?["subject"]?.typeAndID, subjects.contains(subject) {
        theirs.insert(deliveryID)
      } else if let without = scope.takenOut(of: value) {
        bodies.append((deliveryID, body, String(decoding: without.bytes, as: UTF8.self)))
      }
    }
    for (deliveryID, body, without) in bodies {
      _ = try await write([
        RegistryStatements.eraseDeliveryNames(id, .uuid(deliveryID), .text(without), .text(body))
      ])
    }
    var erased = 0
    for part in PersonSearch.parts(theirs) {
      erased += try await write([RegistryStatements.eraseDeliveriesOfFindings(id, .uuidArray(part))])[0].affectedRows
    }
    return erased
  }

  private func sweepAudit(_ scope: PersonScope) async throws {
    for entry in try await search.audit(of: scope) {
      let detail = entry.detail.filter { member in
        PersonalName(member: member.key).map { !scope.holds(member.value, as: $0) } ?? true
      }
      let isSubject = PersonalName(subjectOf: entry.action).map { scope.holds(entry.subject, as: $0) } ?? false
      _ = try await write([
        RegistryStatements.eraseAuditNames(
          id, .uuid(entry.auditID), .text(isSubject ? "erased" : entry.subject),
          .text(String(decoding: try JSONEncoder().encode(detail), as: UTF8.self)))
      ])
    }
  }

  private func sweepAnswers(_ scope: PersonScope, _ erasure: inout Erasure) async throws {
    var last = (operation: "", key: "")
    erasure.leftAnswers = 0
    while true {
      let rows = try await database.run(
        tenantID,
        RegistryStatements.personAnswersPage(id, .text(last.operation), .int(PersonSearch.bodies), .text(last.key))
      ).rows
      for row in rows {
        last = (try row.decode("operation"), try row.decode("idempotency_key"))
        let sealed = try row.decodeIfPresent("sealed_body", as: [UInt8].self)
        let path = try row.decodeIfPresent("location", as: String.self)
        var isTheirs = path.map(scope.isNamed(inPath:)) ?? false
        if !isTheirs, let sealed {
          guard let body = try? keyRing.open(sealed, tenantID: tenantID, purpose: .answer) else {
            erasure.leftAnswers += 1
            continue
          }
          isTheirs = scope.isNamed(in: body)
        }
        guard isTheirs else { continue }
        erasure.keptAnswers += try await write([
          RegistryStatements.eraseAnswer(
            id, .text(last.operation), .text(last.key), .uuid(try row.decode("claim_id", as: UUID.self)))
        ])[0].affectedRows
      }
      if rows.count < PersonSearch.bodies { return }
    }
  }
}

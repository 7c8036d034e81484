import Foundation
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Takes one app user out: notes and fences what is theirs, waits for writers that may not have seen that, takes the rows
/// out a few at a time, and looks again until nothing is found. Every step may be repeated, and another erasure of the same
/// app user goes on where one was broken off.
struct Eraser: Sendable {
  let database: RegistryDatabase
  let keyRing: MasterKeyRing
  let tenantID: UUID
  let referenceID: String
  let deadline: ContinuousClock.Instant
  /// Told after each step; tests break off there.
  var stepped: @Sendable (Step) async throws -> Void = { _ in }

  /// What was just done.
  enum Step: Sendable, Hashable, CaseIterable {
    case fenced, drained, sweptFacts, sweptWhatFollows, ended
  }

  /// How many rows go in one transaction.
  static let batch = 500
  /// After how long a statement is broken off, and one that waits for a lock.
  static let statementLimit: Duration = .seconds(30)
  static let lockLimit: Duration = .seconds(1)
  /// How often it looks again before it gives up.
  static let maximumPasses = 20

  var id: PostgresParameter { .uuid(tenantID) }
  var search: PersonSearch { PersonSearch(database: database, tenantID: tenantID) }
  private var drain: WriterDrain { WriterDrain(database: database, tenantID: tenantID, deadline: deadline) }

  /// Takes everything out.
  ///
  /// - Parameter actor: who asks, for the audit.
  /// - Returns: how much was taken out.
  /// - Throws: `not_found`, `merge_conflict`, `erasure_unfinished`, `database_unavailable`, `CancellationError`.
  func run(by actor: String) async throws -> Erasure {
    do {
      return try await takeOut(by: actor)
    } catch let error as PostgresError where error.sqlState.map(Self.passing.contains) ?? false {
      try Task.checkCancellation()
      throw RegistryError(
        .erasureUnfinished,
        "others hold rows, or the database is too slow (\(error.shortDescription)): ask again, and the erasure goes on",
        retryAfter: .seconds(5))
    }
  }

  private func takeOut(by actor: String) async throws -> Erasure {
    var erasure = Erasure()
    var (hasSwept, hasEnded, isToEnd) = (false, false, true)
    for _ in 0..<Self.maximumPasses {
      try Task.checkCancellation()
      guard .now < deadline else { break }
      let (known, noted) = try await search.person(referenceID)
      if known.mergedInto != nil {
        throw RegistryError(.mergeConflict, "this app user was merged into another: erase that one")
      }
      let isKnown = !known.referenceIDs.isEmpty || !noted.noted.isEmpty
      var before = noted
      before.referenceIDs.formUnion(known.referenceIDs)
      before.referenceIDs.insert(ExactText(referenceID))
      // Whoever is known again after the end has come again; what was noted since the end is not about them.
      if hasEnded, !known.referenceIDs.isEmpty {
        if !noted.noted.isEmpty { _ = try await write([RegistryStatements.erasureScopeClear(id, before.references)]) }
        return erasure
      }
      var scope = try await search.everything(of: referenceID, after: before)
      let connections = try await search.connections(among: scope.userIDs)
      let isThere = scope.hasRows || !connections.isEmpty
      guard isKnown || isThere || hasSwept else { throw RegistryError.notFound("app user") }
      if isThere || !hasSwept {
        scope.formUnion(noted)
        try await fence(scope)
        try await stepped(.fenced)
        try await drain()
        try await stepped(.drained)
        try await sweepFacts(scope, &erasure)
        try await stepped(.sweptFacts)
        // Who judges does so by the facts that the statement sees, so what follows from them is taken out after them.
        try await drain()
        try await sweepWhatFollows(scope, &erasure)
        try await stepped(.sweptWhatFollows)
        // What was noted goes with the end, after it too: a writer may have named them until then.
        (hasSwept, isToEnd) = (true, true)
      } else if !isToEnd, !isKnown {
        return erasure
      } else if try await end(before, known, by: actor, &erasure) {
        (hasEnded, isToEnd) = (true, false)
        try await stepped(.ended)
        // Who has found the app user there and writes something of theirs is looked for once more.
        try await drain()
      }
    }
    throw RegistryError(
      .erasureUnfinished, "what is recorded about the app user goes on growing: ask again, and the erasure goes on",
      retryAfter: .seconds(5))
  }

  /// Notes whom it takes out, so that from the commit on writers leave them out.
  private func fence(_ scope: PersonScope) async throws {
    let noted = scope.noted
    for start in stride(from: 0, to: noted.count, by: Self.batch) {
      let part = noted[start..<min(start + Self.batch, noted.count)]
      _ = try await write([
        RegistryStatements.erasureScopeInsert(
          id, .text(referenceID), .textArray(part.map(\.kind)), .textArray(part.map(\.id)))
      ])
    }
    let fenced = scope.fenced
    for start in stride(from: 0, to: fenced.count, by: Self.batch) {
      let part = Array(fenced[start..<min(start + Self.batch, fenced.count)])
      _ = try await write([RegistryStatements.erasedSubjectInsert(id, ErasedSubject.fence(part, tenantID: tenantID))])
    }
  }

  /// Takes out the app users themselves, and writes down that somebody was erased.
  ///
  /// - Returns: whether they are gone; not where another was merged into one of them meanwhile.
  private func end(
    _ scope: PersonScope, _ known: PersonScope, by actor: String, _ erasure: inout Erasure
  ) async throws -> Bool {
    let references = scope.references
    var counted = erasure
    counted.appUsers += known.referenceIDs.count
    let audit = AuditEntry(
      actor: actor, action: "app_user.erase",
      subject: "sha256:" + Fingerprint.hex(Fingerprint.sha256(of: [tenantID.text, "app_user", referenceID])),
      detail: try counted.audited)
    do {
      let results = try await write([
        RegistryStatements.eraseAppUsersLock(id, references),
        RegistryStatements.eraseTags(id, .text("app_user"), references),
        RegistryStatements.eraseMerges(id, references),
        RegistryStatements.eraseAppUsers(id, references),
        RegistryStatements.erasureScopeClear(id, references),
        audit.statement(tenantID: tenantID),
      ])
      erasure.appUsers += results[3].affectedRows
      return true
    } catch let error as PostgresError where error.isForeignKeyViolation {
      return false
    }
  }

  /// What is over when it is asked again: a row that others hold, or a statement that took too long.
  private static let passing: Set<SQLState> = [
    .lockNotAvailable, .deadlockDetected, .serializationFailure, .queryCanceled,
  ]

  /// Runs statements as one short transaction; again, until the deadline, where others hold a row.
  func write(_ statements: [BoundStatement], asOperator: Bool = false) async throws -> [PostgresResult] {
    while true {
      try Task.checkCancellation()
      do {
        let planned = statements.map(\.plannedAnew)
        return
          try await asOperator
          ? database.runAcrossTenants(
            planned, compiles: false, limit: Self.statementLimit, lockLimit: Self.lockLimit)
          : database.run(
            tenantID, compiles: false, limit: Self.statementLimit, lockLimit: Self.lockLimit, planned)
      } catch let error as PostgresError
        where [.lockNotAvailable, .deadlockDetected].contains(error.sqlState) && .now < deadline
      {}
    }
  }
}

extension Erasure {
  /// The numbers, for the audit.
  fileprivate var audited: [String: String] {
    get throws {
      try JSONDecoder().decode([String: Int].self, from: RegistryJSON.encoder().encode(self)).mapValues(String.init)
    }
  }
}

import Foundation
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Finds what belongs to one app user. What has an index is asked for by id; the rest is read page by page, so that no
/// statement takes long.
///
/// A connection is theirs where its own facts name them; and where they name nobody, if a session, an event or a listing of
/// theirs names it. What a browser claims ties nothing to anybody.
struct PersonSearch: Sendable {
  let database: RegistryDatabase
  let tenantID: UUID

  /// How many rows a page has.
  static let page = 2_000
  /// How many rows with bodies a page has: a body has up to 256 KiB.
  static let bodies = 100
  /// How many ids a statement is given at once.
  static let ids = 500

  private var id: PostgresParameter { .uuid(tenantID) }

  /// The app users, and what an erasure that was broken off has noted.
  ///
  /// - Parameter referenceID: the app user.
  /// - Returns: who is known, and what was noted.
  /// - Throws: `database_unavailable`.
  func person(_ referenceID: String) async throws -> (known: PersonScope, noted: PersonScope) {
    var (known, noted) = (PersonScope(), PersonScope())
    for row in try await run(RegistryStatements.personAppUsers(id, .text(referenceID))).rows {
      let (kind, id) = (try row.decode("kind", as: String.self), try row.decode("id", as: String.self))
      switch kind {
      case "app_user": known.referenceIDs.insert(ExactText(id))
      case "merged_into": known.mergedInto = id
      default: noted.take(noted: String(kind.dropFirst("noted ".count)), id)
      }
    }
    return (known, noted)
  }

  /// Everything that is there now.
  ///
  /// - Parameters:
  ///   - referenceID: the app user.
  ///   - before: what was found before: its app users and connections are looked for as well.
  /// - Returns: what there is, the app users of `before` and `referenceID` included.
  /// - Throws: `database_unavailable`, `CancellationError`.
  func everything(of referenceID: String, after before: PersonScope = PersonScope()) async throws -> PersonScope {
    var scope = PersonScope()
    scope.referenceIDs = before.referenceIDs.union([ExactText(referenceID)])
    // Names that are known already lead to what names them, and are counted as found only where something does.
    var known = before.userIDs
    scope.terraSessions = before.terraSessions
    scope.attempts = before.attempts
    let references = scope.references
    var candidates = Set(
      try await run(RegistryStatements.personConnections(id, references)).rows.map {
        ExactText(try $0.decode("user_id"))
      })
    candidates.formUnion(try await events(naming: references, &scope))
    try await listings(references, []) { candidates.insert(ExactText(try $0.decode("user_id"))) }
    var isGrowing = true
    while isGrowing {
      known.formUnion(try await own(candidates.subtracting(known), references))
      candidates = try await sessions(references, known, &scope)
      candidates.formUnion(try await events(about: known, &scope))
      isGrowing = try await !own(candidates.subtracting(known), references).isEmpty
    }
    try await callbacks(known, &scope)
    try await receipts(known, &scope)
    try await listings(references, known) { row in
      let userID = ExactText(try row.decode("user_id"))
      let row = PersonScope.Listed(listingID: try row.decode("listing_id"), userID: userID)
      if known.contains(userID) { scope.listed.insert(row) } else { scope.listedOthers.insert(row) }
    }
    scope.userIDs = known
    return scope
  }

  /// Those of some connections' ids that have a row.
  func connections(among userIDs: Set<ExactText>) async throws -> Set<ExactText> {
    var found: Set<ExactText> = []
    for part in Self.parts(userIDs) {
      found.formUnion(
        try await run(RegistryStatements.connectionShowSeveral(id, .textArray(part.map(\.text)))).rows.map {
          ExactText(try $0.decode("user_id"))
        })
    }
    return found
  }

  /// Those of some connections that nobody else's facts name.
  private func own(_ userIDs: Set<ExactText>, _ references: PostgresParameter) async throws -> Set<ExactText> {
    var own = userIDs
    for part in Self.parts(userIDs) {
      for row in try await run(RegistryStatements.personOthersConnections(id, .textArray(part.map(\.text)), references))
        .rows
      {
        own.remove(ExactText(try row.decode("user_id")))
      }
    }
    return own
  }

  private func sessions(
    _ references: PostgresParameter, _ userIDs: Set<ExactText>, _ scope: inout PersonScope
  ) async throws -> Set<ExactText> {
    var found: Set<ExactText> = []
    for part in userIDs.isEmpty ? [[]] : Self.parts(userIDs) {
      for row in try await run(RegistryStatements.personSessions(id, references, .textArray(part.map(\.text)))).rows {
        scope.sessions.insert(try row.decode("session_id"))
        scope.attempts.insert(ExactText(try row.decode("attempt")))
        if let terra = try row.decodeIfPresent("terra_session_id", as: String.self) {
          scope.terraSessions.insert(ExactText(terra))
        }
        if let userID = try row.decodeIfPresent("user_id", as: String.self) { found.insert(ExactText(userID)) }
      }
    }
    return found
  }

  private func events(about userIDs: Set<ExactText>, _ scope: inout PersonScope) async throws -> Set<ExactText> {
    var found: Set<ExactText> = []
    let references = scope.references
    func take(_ users: [ExactText], _ sessions: [ExactText]) async throws {
      let statement = RegistryStatements.personEvents(
        id, .textArray(users.map(\.text)), .textArray(sessions.map(\.text)), references)
      for row in try await run(statement).rows {
        if try row.decode("is_theirs") { scope.events.insert(try row.decode("event_id")) }
        for column in ["user_id", "old_user_id"] {
          if let userID = try row.decodeIfPresent(column, as: String.self) { found.insert(ExactText(userID)) }
        }
      }
    }
    for part in Self.parts(userIDs) { try await take(part, []) }
    for part in Self.parts(scope.terraSessions) { try await take([], part) }
    return found
  }

  /// The events that name the app users; what they say of connections.
  private func events(naming references: PostgresParameter, _ scope: inout PersonScope) async throws -> Set<ExactText> {
    var found: Set<ExactText> = []
    try await pages {
      RegistryStatements.personEventsPage(id, .uuid($0), .int(Self.page), references)
    } each: { row in
      guard try row.decode("is_theirs") else { return }
      scope.events.insert(try row.decode("place"))
      for column in ["user_id", "old_user_id"] {
        if let userID = try row.decodeIfPresent(column, as: String.self) { found.insert(ExactText(userID)) }
      }
    }
    return found
  }

  private func callbacks(_ userIDs: Set<ExactText>, _ scope: inout PersonScope) async throws {
    func take(_ users: [ExactText], _ attempts: [[UInt8]]) async throws {
      let statement = RegistryStatements.personCallbacks(id, .textArray(users.map(\.text)), .bytesArray(attempts))
      for row in try await run(statement).rows { scope.callbacks.insert(try row.decode("callback_id")) }
    }
    for part in Self.parts(userIDs) { try await take(part, []) }
    let hashes = scope.attemptHashes
    for start in stride(from: 0, to: hashes.count, by: Self.ids) {
      try await take([], Array(hashes[start..<min(start + Self.ids, hashes.count)]))
    }
    let references = scope.references
    var named = scope
    named.userIDs = userIDs
    try await pages {
      RegistryStatements.personCallbacksPage(id, .uuid($0), .int(Self.page), references)
    } each: { row in
      let raw = try row.decodeIfPresent("raw_query", as: String.self)
      guard try row.decode("is_theirs") || raw.map(named.isNamed(inQuery:)) ?? false else { return }
      scope.callbacks.insert(try row.decode("place"))
    }
  }

  /// The receipts whose bodies name them. What these say of connections was never taken in, and ties nothing to anybody.
  private func receipts(_ userIDs: Set<ExactText>, _ scope: inout PersonScope) async throws {
    var named = scope
    named.userIDs = userIDs
    let needles = named.names.map { Array($0.utf8) }
    let (users, texts) = (
      PostgresParameter.textArray(userIDs.sorted().map(\.text)), PostgresParameter.bytesArray(needles)
    )
    try await pages(of: Self.bodies) {
      RegistryStatements.personReceiptsPage(id, .uuid($0), .int(Self.bodies), users, texts)
    } each: { row in
      let receiptID = try row.decode("place", as: UUID.self)
      let body = try row.decodeIfPresent("body", as: [UInt8].self)
      if try row.decode("is_theirs") || body.map(named.isNamed(in:)) ?? false {
        scope.receipts.insert(receiptID)
      } else if let body, (try? JSONParser.parse(body)) == nil, needles.contains(where: body.contains(_:)) {
        scope.unreadReceipts.insert(receiptID)
      }
    }
  }

  /// The rows of Terra's listings that name them; those of the app users may be about connections of others.
  func listings(
    _ references: PostgresParameter, _ userIDs: Set<ExactText>, each: (PostgresRow) throws -> Void
  ) async throws {
    let users = PostgresParameter.textArray(userIDs.sorted().map(\.text))
    var last = (listing: Self.beginning, user: "")
    while true {
      let rows = try await run(
        RegistryStatements.personListedPage(
          id, .uuid(last.listing), .int(Self.page), references, .text(last.user), users)
      ).rows
      for row in rows {
        last = (try row.decode("listing_id"), try row.decode("user_id"))
        if try row.decode("is_theirs") { try each(row) }
      }
      if rows.count < Self.page { return }
    }
  }

  /// Goes through the rows of a table page by page, in the order of their ids.
  func pages(
    of size: Int = Self.page, asOperator: Bool = false, _ statement: (UUID) -> BoundStatement,
    each: (PostgresRow) throws -> Void
  ) async throws {
    var last = Self.beginning
    while true {
      try Task.checkCancellation()
      let rows = try await run(statement(last), asOperator: asOperator).rows
      for row in rows {
        last = try row.decode("place")
        try each(row)
      }
      if rows.count < size { return }
    }
  }

  private func run(_ statement: BoundStatement, asOperator: Bool = false) async throws -> PostgresResult {
    // Planned for the ids at hand: a prepared plan would be made for any number of them.
    let planned = [statement.plannedAnew]
    let results =
      try await asOperator
      ? database.runAcrossTenants(planned, compiles: false) : database.run(tenantID, compiles: false, planned)
    guard let result = results.first else {
      throw RegistryError(.internalFailure, "PostgreSQL gave no result for \(statement.named.name)")
    }
    return result
  }

  /// Before all ids.
  private static let beginning = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))

  /// Ids in parts that a statement takes.
  static func parts<ID: Comparable>(_ ids: Set<ID>) -> [[ID]] {
    let sorted = ids.sorted()
    return stride(from: 0, to: sorted.count, by: Self.ids).map {
      Array(sorted[$0..<min($0 + Self.ids, sorted.count)])
    }
  }
}

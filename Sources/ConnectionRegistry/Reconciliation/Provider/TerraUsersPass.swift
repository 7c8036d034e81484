import Foundation
import Logging
import RegistryPostgres
import RegistrySQL

/// Copies the table `terra_users` that Terra's SQL and Supabase destinations keep in a team's own database.
struct TerraUsersPass: Sendable {
  /// Why the table could not be read.
  struct Unreadable: Error {
    let cause: PostgresError
  }

  let tenant: Tenant
  /// Runs statements of the tenant as one transaction.
  let write: @Sendable ([BoundStatement]) async throws -> [PostgresResult]

  /// How many rows are written by one statement.
  static let chunk = 5_000

  private var id: PostgresParameter { .uuid(tenant.id) }

  /// Copies the table.
  ///
  /// - Parameters:
  ///   - connectionString: how its database is reached.
  ///   - limit: how long that may take.
  /// - Returns: what was copied; nil where another copy was begun meanwhile, and took this one's place.
  /// - Throws: ``Unreadable``, and what `write` throws.
  func copy(from connectionString: String, within limit: Duration) async throws -> TerraUsersCopy? {
    let listing = UUID.version7()
    let begun = try await write([
      RegistryStatements.providerListingRedate(id),
      RegistryStatements.terraUsersCopyGiveUpOthers(id, .uuid(listing)),
      RegistryStatements.terraUsersCopyInsert(id, .uuid(listing)),
      RegistryStatements.terraUsersCopyBegun(id, .uuid(listing)),
    ])
    guard let asked = try begun.last?.rows.first?.decode("started_at", as: Date.self) else {
      throw RegistryError.notFound("listing")
    }
    var copy = TerraUsersCopy(rows: 0, skipped: 0)
    try await Self.read(connectionString, within: limit) { rows in
      let known = rows.compactMap { $0 }
      copy.skipped += rows.count - known.count
      copy.rows += known.count
      try await keep(known, listing, asked: asked)
    }
    let comparison = ListingComparison(
      tenantID: tenant.id, listing: listing, slice: RunLimits().listingSlice, run: write)
    try await comparison.collect()
    let ended = try await write([RegistryStatements.terraUsersCopyEnd(id, .uuid(listing))])
    return ended.first?.affectedRows == 1 ? copy : nil
  }

  /// Copies the table for a run of the schedule.
  ///
  /// - Parameters:
  ///   - connectionString: how its database is reached.
  ///   - limit: how long that may take.
  /// - Returns: nil once it is copied; else what was left and what to do, without a word of the connection string.
  /// - Throws: what `write` throws, `database_unavailable`, `CancellationError`.
  func remark(_ connectionString: () async throws -> String, within limit: Duration) async throws -> String? {
    let undone = "terra_users was not copied, and stays due: "
    let store = "`registry tenant update \(tenant.slug) --terra-users-url-file FILE`"
    do {
      let copy = try await copy(from: connectionString(), within: limit)
      return copy == nil ? undone + "another copy was begun meanwhile, and took this one's place." : nil
    } catch let error as Unreadable {
      try Task.checkCancellation()
      return undone + error.reason(within: limit)
        + ". `registry reconcile run --tenant \(tenant.slug) --terra-users` says more; \(store) stores another way to it."
    } catch let error as RegistryError where error.code == .secretUnreadable {
      return undone
        + "\(error.message). \(store) stores it anew; one that is sealed opens with the master key that sealed it, among "
        + "REGISTRY_MASTER_KEYS."
    }
  }

  private func keep(_ rows: [TerraUsersRow], _ listing: UUID, asked: Date) async throws {
    // Each id once; the table's key is the id, but nothing keeps a view from its place.
    let rows = Dictionary(rows.map { ($0.userID, $0) }) { _, last in last }.values.sorted { $0.userID < $1.userID }
    guard !rows.isEmpty else { return }
    _ = try await write([
      RegistryStatements.providerListingKeep(
        id, .uuid(listing), .textArray(rows.map(\.userID)), .textArray(rows.map(\.referenceID)),
        .textArray(rows.map(\.resource)), .textArray(rows.map(\.scopes)), .boolArray(rows.map(\.isActive)),
        .boolArray(rows.map { _ in false }), .timestamp(asked),
        ErasedSubject.fence(rows.map { .userID($0.userID) }, tenantID: tenant.id))
    ])
  }

  /// Reads the table row by row in a transaction that cannot write.
  private static func read(
    _ connectionString: String, within limit: Duration, _ take: ([TerraUsersRow?]) async throws -> Void
  ) async throws {
    var settings = PostgresPool.Configuration(connectionString)
    settings.maximumConnections = 1
    settings.applicationName = "connection-registry terra_users"
    let statement = PostgresStatement(RegistryStatements.terraUsersRead().named.text)
    // What a driver has to say may name the other database.
    let silent = Logger(label: "terra_users") { _ in SwiftLogNoOpLogHandler() }
    do {
      try settings.requireOwnLogin()
      try await PostgresPool.withPool(settings, logger: silent) { pool in
        try await pool.withTransaction(level: .serverDefault.readOnly, deadline: .now + limit) { transaction in
          try await transaction.withRows(statement) { rows in
            var gathered: [TerraUsersRow?] = []
            for try await row in rows {
              gathered.append(try TerraUsersRow(row: row))
              guard gathered.count == chunk else { continue }
              try await hand(gathered, to: take)
              gathered = []
            }
            try await hand(gathered, to: take)
          }
        }
      }
    } catch let error as NotKept {
      throw error.cause
    } catch let error as PostgresError {
      throw Unreadable(cause: error)
    } catch let error as PostgresTransactionError {
      // BEGIN, COMMIT or ROLLBACK failed, which is the other database's doing as well.
      if let error = error.bodyError as? NotKept { throw error.cause }
      if let error = error.bodyError, !(error is PostgresError) { throw error }
      throw Unreadable(cause: error.bodyError as? PostgresError ?? error.underlying)
    }
  }

  /// Rows could not be kept, which is no fault of the other database.
  private struct NotKept: Error {
    let cause: any Error
  }

  private static func hand(
    _ rows: [TerraUsersRow?], to take: ([TerraUsersRow?]) async throws -> Void
  ) async throws {
    do { try await take(rows) } catch { throw NotKept(cause: error) }
  }
}

extension TerraUsersPass.Unreadable {
  /// The same without the other database's own words, which may name it.
  fileprivate func reason(within limit: Duration) -> String {
    switch cause.code {
    case .timedOut: "its database took longer than \(limit.components.seconds) s"
    case .connectionFailed: "its database cannot be reached, or refuses the login"
    case .invalidConfiguration:
      "its connection string cannot be parsed, or does not name host, user and password itself"
    default: "its database refused it (\(cause.sqlState.map { "SQLSTATE \($0)" } ?? "\(cause.code)"))"
    }
  }
}

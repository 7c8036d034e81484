import Foundation
import RegistryPostgres

/// What callers were told about the rows they wrote, to be held against the table.
///
/// Each caller writes rows of its own tokens into the tables of a ``Conversation``.
final class Ledger: @unchecked Sendable {
  enum Told: Sendable {
    case committed
    /// The error was a proof that nothing was written.
    case withoutEffect
    case mayHaveTakenEffect
  }

  private struct Entry {
    var tokens: [Int]
    var told: Told
    var what: String
  }

  // Guarded by the lock.
  private let lock = NSLock()
  private var entries: [Entry] = []

  /// Runs what writes these tokens in one transaction and notes what its caller is told.
  /// - Returns: the error, if there is one.
  func writing(
    _ tokens: [Int], _ what: String, _ body: () async throws -> Void
  ) async -> (any Error)? {
    do {
      try await body()
      note(tokens, .committed, what)
      return nil
    } catch {
      note(tokens, Self.mayHaveTakenEffect(error) ? .mayHaveTakenEffect : .withoutEffect, "\(what): \(error)")
      return error
    }
  }

  func note(_ tokens: [Int], _ told: Told, _ what: String) {
    lock.withLock { entries.append(Entry(tokens: tokens, told: told, what: what)) }
  }

  /// What a caller may not rely on.
  static func mayHaveTakenEffect(_ error: any Error) -> Bool {
    switch error {
    case let error as PostgresError: error.mayHaveTakenEffect
    case let error as PostgresTransactionError: error.mayHaveTakenEffect
    default: false
    }
  }

  /// Holds all that was noted against the table, and forgets it.
  /// - Parameter pool: reaches the table without the proxy.
  /// - Returns: one line for each lie.
  func lies(_ pool: PostgresPool) async throws -> [String] {
    let entries = lock.withLock {
      defer { self.entries.removeAll() }
      return self.entries
    }
    let tokens = entries.flatMap(\.tokens)
    guard let least = tokens.min(), let greatest = tokens.max() else { return [] }
    let rows = try await pool.execute(
      PostgresStatement(
        name: "ledger",
        """
        SELECT token, count(*) AS n FROM (SELECT token FROM item UNION ALL SELECT token FROM item_once) AS written
        WHERE token BETWEEN $1 AND $2 GROUP BY token
        """, [.int(least), .int(greatest)])
    ).rows
    let counts = try rows.reduce(into: [Int: Int]()) {
      $0[try $1.decode("token", as: Int.self)] = try $1.decode("n", as: Int.self)
    }
    return entries.compactMap { entry in
      let found = entry.tokens.map { counts[$0] ?? 0 }
      let isTrue =
        switch entry.told {
        case .committed: found.allSatisfy { $0 == 1 }
        case .withoutEffect: found.allSatisfy { $0 == 0 }
        case .mayHaveTakenEffect: found.allSatisfy { $0 == found[0] && $0 <= 1 }
        }
      return isTrue ? nil : "\(entry.what): told \(entry.told), but the rows are there \(found) times"
    }
  }
}

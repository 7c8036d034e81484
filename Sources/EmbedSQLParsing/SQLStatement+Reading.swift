extension SQLStatement {
  /// Whether the statement only reads, so that it may run in a READ ONLY transaction.
  ///
  /// It begins like a query and has none of the words that write, lock rows or call a sequence, in whatever place: a
  /// column of such a name, unless it is quoted, makes a writing statement of a reading one, which is the safe mistake.
  /// The other mistake, a function that writes, the server refuses in a READ ONLY transaction (PostgreSQL manual, SET
  /// TRANSACTION).
  public var isReadOnly: Bool {
    let words = tokens.compactMap { token -> String? in
      if case .word(let word) = token.kind { word } else { nil }
    }
    guard let first = words.first, Self.queries.contains(first) else { return false }
    return Self.writers.isDisjoint(with: words)
  }

  private static let queries: Set<String> = ["select", "with", "values", "table"]

  /// `update` and `share` stand for FOR UPDATE and FOR SHARE too, `into` for SELECT INTO.
  private static let writers: Set<String> = [
    "insert", "update", "delete", "merge", "into", "share", "nextval", "setval", "txid_current", "pg_current_xact_id",
    "pg_notify",
  ]
}

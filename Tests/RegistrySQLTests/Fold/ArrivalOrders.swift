import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// Every order in which every set of facts can arrive at one connection, run through the product's upsert in one set.
///
/// A set is a word over the kinds, the fact at place i having instant i: two facts of one kind occur, and every order of
/// the instants over the kinds. After a set's facts one of them comes again.
struct ArrivalOrders {
  /// The kinds of facts, of which sets are made.
  let kinds: [Kind]
  /// The sizes of the sets.
  let sizes: ClosedRange<Int>
  /// How many facts of a set come a second time, one after the other; at most as many as the set has.
  var repeats = 1
  /// Takes only the sets that begin with these kinds.
  var firstKinds: [Int] = []

  /// One kind of fact, with the values that a fact of it carries at an instant.
  struct Kind: Sendable {
    let evidence: @Sendable (Int) -> Evidence
    let attributes: @Sendable (Int) -> ConnectionAttributes

    init(
      _ evidence: @escaping @autoclosure @Sendable () -> Evidence,
      attributes: @escaping @Sendable (Int) -> ConnectionAttributes = { _ in .none }
    ) {
      self.evidence = { _ in evidence() }
      self.attributes = attributes
    }

    init(evidence: @escaping @Sendable (Int) -> Evidence) {
      self.evidence = evidence
      attributes = { _ in .none }
    }

    func registers(_ instant: Int) -> ConnectionRegisters {
      ConnectionFact(
        userID: "c", evidence: evidence(instant), at: Instant(secondsSince1970: Int64(instant) * 60),
        factID: "f\(instant)",
        attributes: attributes(instant)
      ).registers
    }
  }

  /// The nine kinds of the reference, each with the values that its events carry.
  static let kinds: [Kind] = [
    Kind(.auth) { instant in
      // Each value comes alone at some instant, so that its register grows alone.
      .init(
        referenceID: instant == 1 || instant >= 4 ? "person-\(instant)" : nil,
        resource: instant >= 3 ? "FITBIT-\(instant)" : nil, scopes: instant >= 3 ? "scopes-\(instant)" : nil)
    },
    Kind(.connectionError) { .init(referenceID: $0 == 3 ? "person-9" : nil) },
    Kind(.permissionChange) { .init(scopes: $0 % 2 == 0 ? "fewer-\($0)" : nil) },
    Kind(.failure) { .init(resource: $0 % 2 == 1 ? "OURA-\($0)" : nil) },
    Kind(.revoked),
    Kind(.deauthenticated),
    Kind(evidence: { .superseded(by: "heir-\(9 - $0)") }),
    Kind(.correction(.alive)),
    Kind(.correction(.gone)),
  ]

  /// The nine and data, which clears `degraded`.
  static let kindsWithData = kinds + [Kind(.data)]

  /// What one run gave.
  struct Outcome {
    var orders = 0
    /// Orders whose row differs from the pure join, with the two rows.
    var differing: [String] = []
    /// Orders whose change log has a gap, a step that does not continue the one before, or an end that is not the state.
    var brokenLogs: [String] = []
  }

  /// Runs all orders on a migrated database, as its owner.
  ///
  /// - Parameters:
  ///   - pool: The database; the tables this makes are gone with the connection.
  ///   - statement: The upsert to run.
  /// - Returns: How many orders ran, and which came out wrong.
  /// - Throws: What the database refuses.
  func run(on pool: PostgresPool, statement: JoinStatement) async throws -> Outcome {
    try await Tenants.insert(Tenants.first, slug: "orders", into: pool)
    // Indexes and references decide nothing here and take most of the time.
    for index in ["reference_id", "created_at", "recorded_at", "superseded_by", "user_id"] {
      try await pool.execute("DROP INDEX registry.connection_\(index)")
    }
    try await pool.execute("DROP INDEX registry.connection_change_recorded_at")
    try await pool.execute("ALTER TABLE registry.connection_change DROP CONSTRAINT connection_change_connection")
    try await pool.execute("ALTER TABLE registry.connection DROP CONSTRAINT connection_tenant")
    try await pool.execute("ALTER TABLE registry.connection SET (fillfactor = 40)")
    // Analyzed while it is empty, the table would be read whole for each of the rows that a statement appends to it.
    try await pool.execute("ALTER TABLE registry.connection_change SET (autovacuum_enabled = off)")
    var outcome = Outcome()
    for size in sizes {
      let size = try await pool.withConnection { connection in
        try await stage(size, on: connection)
        let outcome = try await arrive(size, on: connection, statement)
        try await connection.execute("TRUNCATE registry.connection_change, registry.connection")
        await connection.retire()
        return outcome
      }
      outcome.orders += size.orders
      outcome.differing += size.differing
      outcome.brokenLogs += size.brokenLogs
    }
    return outcome
  }

  private func stage(_ size: Int, on connection: PostgresConnection) async throws {
    let columns = ConnectionRegisters.columns
    let declared = columns.map { "\($0) text COLLATE \"C\"" }.joined(separator: ", ")
    try await connection.execute("CREATE TEMPORARY TABLE fold_fact (kind int, instant int, \(declared))")
    try await connection.execute("CREATE TEMPORARY TABLE fold_set (word int[], status text, \(declared))")
    try await connection.execute("CREATE TEMPORARY TABLE fold_order (positions int[])")

    let facts = kinds.indices.flatMap { kind in (1...size).map { (kind: kind, instant: $0) } }
    try await load(
      "fold_fact", ["kind", "instant"], columns: columns, on: connection,
      rows: facts.map { (["\($0.kind)", "\($0.instant)"], kinds[$0.kind].registers($0.instant)) })
    let words = Self.words(length: size, letters: kinds.count).filter { $0.starts(with: firstKinds) }
    try await load(
      "fold_set", ["word", "status"], columns: columns, on: connection,
      rows: words.map { word in
        let joined = word.enumerated().reduce(ConnectionRegisters()) { registers, fact in
          registers.joined(with: kinds[fact.element].registers(fact.offset + 1))
        }
        return (["{\(word.map(String.init).joined(separator: ","))}", joined.status.rawValue], joined)
      })
    let orders = Self.permutations(of: Array(1...size)).map { order in
      // Which fact comes again differs from order to order.
      let again = (0..<min(repeats, size)).map { order[($0 + order[0]) % size] }
      return "{\((order + again).map(String.init).joined(separator: ","))}"
    }
    try await connection.execute(
      "INSERT INTO fold_order SELECT o::int[] FROM unnest($1::text[]) AS u (o)", [.textArray(orders)])
    try await connection.execute(
      """
      CREATE TEMPORARY VIEW fold_arrival AS
      SELECT s.word::text || o.positions::text AS user_id, p.pos, \(columns.map { "f.\($0)" }.joined(separator: ", "))
      FROM fold_set s CROSS JOIN fold_order o CROSS JOIN generate_series(1, \(size + min(repeats, size))) AS p (pos)
      JOIN fold_fact f ON f.instant = o.positions[p.pos] AND f.kind = s.word[o.positions[p.pos]]
      """)
    try await connection.executeScript("ANALYZE fold_fact; ANALYZE fold_set; ANALYZE fold_order")
  }

  private func load(
    _ table: String, _ leading: [String], columns: [String], on connection: PostgresConnection,
    rows: [(leading: [String], registers: ConnectionRegisters)]
  ) async throws {
    let byColumn = rows.map(\.registers.byColumn)
    let parameters =
      leading.indices.map { index in PostgresParameter.textArray(rows.map { $0.leading[index] }) }
      + columns.map { column in .textArray(byColumn.map { $0[column] }) }
    let types = leading.map { ["word": "int[]", "status": "text"][$0] ?? "int" } + columns.map { _ in "text" }
    let names = (leading + columns).joined(separator: ", ")
    let arrays = types.indices.map { "$\($0 + 1)::text[]" }.joined(separator: ", ")
    let casts = zip(leading + columns, types).map { "u.\($0)::\($1)" }.joined(separator: ", ")
    try await connection.execute(
      "INSERT INTO \(table) (\(names)) SELECT \(casts) FROM unnest(\(arrays)) AS u (\(names))", parameters)
  }

  private func arrive(_ size: Int, on connection: PostgresConnection, _ statement: JoinStatement) async throws
    -> Outcome
  {
    let tenant = PostgresParameter.uuid(Tenants.first)
    let append = try ChangeStatement.overArrivals()
    for position in 1...(size + min(repeats, size)) {
      try await connection.execute(statement.overArrivals, [tenant, .int(position)])
      try await connection.execute(
        append, [tenant, .int(position), .text("event"), .text("fact-\(position)"), .text("no key")])
    }
    var outcome = Outcome()
    outcome.orders = try await connection.count(
      "SELECT count(*) FROM registry.connection WHERE tenant_id = $1", [tenant])
    let columns = ConnectionRegisters.columns + ["status"]
    let actual = columns.map { "c.\($0)" }.joined(separator: ", ")
    let expected = columns.map { "s.\($0)" }.joined(separator: ", ")
    outcome.differing = try await connection.texts(
      """
      SELECT c.user_id || ': ' || ROW(\(actual))::text || ' instead of ' || ROW(\(expected))::text AS difference
      FROM fold_set s CROSS JOIN fold_order o
      LEFT JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = s.word::text || o.positions::text
      WHERE (\(actual)) IS DISTINCT FROM (\(expected))
      """, [tenant])
    outcome.brokenLogs = try await connection.texts(
      """
      SELECT c.user_id FROM registry.connection c
      LEFT JOIN (
        SELECT h.user_id, count(*) AS rows, min(h.sequence) AS first, max(h.sequence) AS last,
          bool_and(h.from_status IS NOT DISTINCT FROM h.before AND h.from_status IS DISTINCT FROM h.to_status) AS continuous,
          (array_agg(h.to_status ORDER BY h.sequence DESC))[1] AS final
        FROM (SELECT x.*, lag(x.to_status) OVER (PARTITION BY x.user_id ORDER BY x.sequence) AS before
              FROM registry.connection_change x WHERE x.tenant_id = $1) h
        GROUP BY h.user_id) l ON l.user_id = c.user_id
      WHERE c.tenant_id = $1
        AND (l.first, l.last, l.continuous, l.final) IS DISTINCT FROM (1::bigint, l.rows, true, c.status)
      """, [tenant])
    return outcome
  }

  static func words(length: Int, letters: Int) -> [[Int]] {
    guard length > 0 else { return [[]] }
    return words(length: length - 1, letters: letters).flatMap { word in (0..<letters).map { word + [$0] } }
  }

  static func permutations<Element>(of elements: [Element]) -> [[Element]] {
    guard elements.count > 1 else { return [elements] }
    return elements.indices.flatMap { index in
      var rest = elements
      let first = rest.remove(at: index)
      return permutations(of: rest).map { [first] + $0 }
    }
  }
}

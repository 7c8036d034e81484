import Foundation
import RegistryPostgres

/// A short conversation that has one of everything, to be harmed at each of its points.
struct Conversation: Sendable {
  /// What its caller saw, in the order of its steps: the same each time unless the link is harmed.
  struct Transcript: Sendable, Equatable {
    var lines: [String] = []
    /// Errors that an unharmed conversation does not have.
    var losses: [String] = []
  }

  /// `item` has no key, so that a row written twice shows; `item_once` is for writes that may be repeated.
  static let tables = """
    CREATE TABLE item (token bigint NOT NULL CHECK (token >= 0));
    CREATE INDEX ON item (token);
    CREATE TABLE item_once (token bigint PRIMARY KEY)
    """

  let ledger: Ledger
  /// Its rows have the tokens from here on; there are fewer than 32.
  let firstToken: Int

  private func token(_ offset: Int) -> Int { firstToken + offset }

  static func insert(_ token: Int, named: Bool = true) -> PostgresStatement {
    PostgresStatement(
      name: named ? "insert_item" : nil, "INSERT INTO item VALUES ($1::bigint) RETURNING token", [.int(token)])
  }

  static func echo(_ token: Int, named: Bool = true) -> PostgresStatement {
    PostgresStatement(
      name: named ? "echo" : nil,
      "SELECT $1::bigint AS token, coalesce(current_setting('registry.tenant_id', true), '') AS tenant", [.int(token)])
  }

  static let failing = PostgresStatement("INSERT INTO item VALUES (-1)")

  /// One row at most in these conversations; tokens are counted from the first, so that transcripts can be compared.
  private func text(_ result: PostgresResult) throws -> String {
    guard let row = result.rows.first else { return "\(result.affectedRows)" }
    let tenant = (try? row.decode("tenant", as: String.self)).map { " \($0)" } ?? ""
    return "\(try row.decode("token", as: Int.self) - firstToken)\(tenant)"
  }

  private func note(_ transcript: inout Transcript, _ step: String, _ outcome: Result<String, any Error>) {
    switch outcome {
    case .success(let line): transcript.lines.append("\(step): \(line)")
    case .failure(let error):
      guard let error = PostgresError.first(in: error), error.code == .server, error.isCheckViolation else {
        transcript.losses.append("\(step): \(error)")
        return
      }
      transcript.lines.append("\(step): \(error.shortDescription) \(error.statementIndex.map(String.init) ?? "-")")
    }
  }

  private func write(
    _ transcript: inout Transcript, _ step: String, _ offsets: [Int], _ body: () async throws -> String
  ) async {
    var line = ""
    let error = await ledger.writing(offsets.map(token), step) { line = try await body() }
    note(&transcript, step, error.map { .failure($0) } ?? .success(line))
  }

  private func batch(_ offsets: [Int], fails: Bool = false) throws -> PostgresBatch {
    let statements = offsets.map { Self.insert(token($0)) } + [fails ? Self.failing : Self.echo(token(offsets[0]))]
    return PostgresBatch(settings: [try .init("registry.tenant_id", "t\(offsets[0])")], statements: statements)
  }

  /// Statements, prepared and not, batches, transactions that commit and that roll back.
  func hold(with pool: PostgresPool) async -> Transcript {
    var transcript = Transcript()
    await write(&transcript, "unnamed insert", [0]) {
      try text(await pool.execute(Self.insert(token(0), named: false)))
    }
    await write(&transcript, "prepared insert", [1]) { try text(await pool.execute(Self.insert(token(1)))) }
    await write(&transcript, "the same again", [2]) { try text(await pool.execute(Self.insert(token(2)))) }
    await write(&transcript, "failing statement", [3]) { try text(await pool.execute(Self.failing)) }
    await write(&transcript, "batch", [4, 5]) {
      try await pool.execute(batch([4, 5])).map(text).joined(separator: ", ")
    }
    await write(&transcript, "failing batch", [6]) {
      try await pool.execute(batch([6], fails: true)).map(text).joined(separator: ", ")
    }
    await write(&transcript, "transaction", [7, 8]) {
      try await pool.withTransaction(settings: [try .init("registry.tenant_id", "t7")]) { transaction in
        let first = try text(await transaction.execute(Self.insert(token(7))))
        let second = try text(await transaction.execute(Self.insert(token(8), named: false)))
        return try "\(first), \(second), \(text(await transaction.execute(Self.echo(token(7)))))"
      }
    }
    await write(&transcript, "failing transaction", [9]) {
      try await pool.withTransaction { transaction in
        try await transaction.execute(Self.insert(token(9)))
        return try text(await transaction.execute(Self.failing))
      }
    }
    await write(&transcript, "script", [10, 11]) {
      try await pool.withConnection { connection in
        try await connection.executeScript(
          "INSERT INTO item VALUES (\(token(10))); INSERT INTO item VALUES (\(token(11)))"
        )
        .map(text).joined(separator: ", ")
      }
    }
    await write(&transcript, "last", []) { try text(await pool.execute(Self.echo(token(12)))) }
    return transcript
  }

  /// Single statements, batches, several callers at once, one of them bad.
  func hold(with lane: PostgresLane, isIdempotent: Bool) async -> Transcript {
    var transcript = Transcript()
    func insert(_ offset: Int) -> PostgresStatement {
      isIdempotent
        ? PostgresStatement(
          name: "insert_once",
          """
          WITH added AS (INSERT INTO item_once VALUES ($1::bigint) ON CONFLICT DO NOTHING)
          SELECT $1::bigint AS token
          """, [.int(token(offset))])
        : Self.insert(token(offset))
    }
    await write(&transcript, "statement", [0]) {
      let batch = PostgresBatch(statements: [insert(0)])
      return try await lane.execute(batch, isIdempotent: isIdempotent).map(text).joined()
    }
    await write(&transcript, "batch", [1, 2]) {
      let batch = PostgresBatch(
        settings: [try .init("registry.tenant_id", "t1")],
        statements: [insert(1), insert(2), Self.echo(token(1))])
      return try await lane.execute(batch, isIdempotent: isIdempotent).map(text).joined(separator: ", ")
    }
    if !isIdempotent {
      await write(&transcript, "bare statement", [3]) { try text(await lane.execute(insert(3))) }
    }
    await write(&transcript, "failing batch", [4]) {
      try await lane.execute(batch([4], fails: true), isIdempotent: isIdempotent).map(text).joined(separator: ", ")
    }
    let together = await withTaskGroup(of: (Int, Transcript).self) { group in
      for offset in 5..<12 {
        group.addTask {
          var transcript = Transcript()
          await write(&transcript, "caller \(offset)", [offset]) {
            let batch = PostgresBatch(
              settings: offset % 2 == 0 ? [] : [try .init("registry.tenant_id", "t\(offset)")],
              statements: [insert(offset), offset == 8 ? Self.failing : Self.echo(token(offset))])
            return try await lane.execute(batch, isIdempotent: isIdempotent).map(text).joined(separator: ", ")
          }
          return (offset, transcript)
        }
      }
      return await group.reduce(into: [(Int, Transcript)]()) { $0.append($1) }.sorted { $0.0 < $1.0 }
    }
    for (_, part) in together {
      transcript.lines += part.lines
      transcript.losses += part.losses
    }
    await write(&transcript, "last", [12]) { try await lane.execute([insert(12)], isIdempotent).map(text).joined() }
    return transcript
  }
}

extension PostgresLane {
  fileprivate func execute(_ statements: [PostgresStatement], _ isIdempotent: Bool) async throws -> [PostgresResult] {
    try await execute(PostgresBatch(statements: statements), isIdempotent: isIdempotent)
  }
}

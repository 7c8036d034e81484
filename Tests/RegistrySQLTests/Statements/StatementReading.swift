import EmbedSQLParsing
import RegistrySQL

/// What can be told about a statement without a server: the rules that keep one SQL for plain PostgreSQL and Citus.
struct StatementReading {
  let name: String
  private let tokens: [SQLToken]
  private let pieces: [String]

  init(_ statement: NamedStatement) throws { try self.init(name: statement.name, text: statement.text) }

  init(name: String, text: String) throws {
    self.name = name
    tokens = try SQLScanner.tokens(of: text, file: name).filter { !$0.isComment }
    let utf8 = Array(text.utf8)
    pieces = tokens.map { String(decoding: utf8[$0.range], as: UTF8.self).lowercased() }
  }

  /// Everything that breaks a rule which holds for all statements.
  var violations: [String] {
    forbiddenWords + starSelects + clockInUpserts + clockInReturning + chainedWrites + tenantMoves
  }

  /// Tables that are read or written without `tenant_id = $1` of their own.
  var tablesWithoutTenant: [String] {
    var missing: [String] = []
    var needed: [String: (count: Int, table: String)] = [:]
    for index in pieces.indices where isTable(at: index) {
      let table = pieces[index + 2]
      let alias = alias(after: index + 3)
      if index > 0, pieces[index - 1] == "into" {
        if !insertNamesTenant(at: index + 3) { missing.append("INSERT INTO \(table)") }
        if hasUpsert, !hasPredicate(alias ?? table) { missing.append("ON CONFLICT DO UPDATE of \(table)") }
      } else {
        let key = alias ?? ""
        needed[key] = ((needed[key]?.count ?? 0) + 1, table)
      }
    }
    for (alias, need) in needed {
      let found = pieces.indices.filter { isPredicate(at: $0, alias: alias) }.count
      if found < need.count { missing.append("\(need.table) \(alias)".trimmed) }
    }
    return missing.sorted()
  }

  private var forbiddenWords: [String] {
    let forbidden: [String: String] = [
      "merge": "Citus has no MERGE", "trigger": "Citus has no triggers", "set_config": "is not sent to the shards",
      "random": "a volatile function arrives as a parameter",
      "gen_random_uuid": "a volatile function arrives as a parameter",
      "clock_timestamp": "a volatile function arrives as a parameter",
      "timeofday": "a volatile function arrives as a parameter",
      "nextval": "a volatile function arrives as a parameter", "current_timestamp": "write now()",
      "like": "loses its index under RLS",
      "ilike": "loses its index under RLS", "lower": "loses its index under RLS", "notify": "is per node",
    ]
    return pieces.compactMap { piece in
      if piece.contains("advisory") { return "\(piece): advisory locks are per node" }
      return forbidden[piece].map { "\(piece): \($0)" }
    }
  }

  private var starSelects: [String] {
    pieces.indices.dropFirst().compactMap { index in
      guard pieces[index] == "*", ["select", ".", ","].contains(pieces[index - 1]) else { return nil }
      return "SELECT *: name the columns"
    }
  }

  private var hasUpsert: Bool { upsertAssignments != nil }

  /// From behind DO UPDATE SET to its WHERE, to RETURNING or to the end.
  private var upsertAssignments: ArraySlice<String>? {
    guard let start = pieces.indices.first(where: { pieces[$0...].starts(with: ["do", "update", "set"]) }) else {
      return nil
    }
    let rest = pieces[(start + 3)...]
    var depth = 0
    let end = rest.indices.first { index in
      if pieces[index] == "(" { depth += 1 }
      if pieces[index] == ")" { depth -= 1 }
      return depth == 0 && (pieces[index] == "where" || pieces[index] == "returning")
    }
    return rest[..<(end ?? rest.endIndex)]
  }

  private var clockInUpserts: [String] {
    upsertAssignments?.contains("now") == true ? ["now() in DO UPDATE SET: write excluded.x"] : []
  }

  private var clockInReturning: [String] {
    guard let start = pieces.firstIndex(of: "returning") else { return [] }
    return pieces[start...].contains("now") ? ["now() in RETURNING"] : []
  }

  private var chainedWrites: [String] {
    pieces.indices.dropFirst(2).compactMap { index in
      guard ["insert", "update", "delete"].contains(pieces[index]), pieces[index - 1] == "(", pieces[index - 2] == "as"
      else {
        return nil
      }
      return "\(pieces[index]) in WITH: send a batch of statements"
    }
  }

  private var tenantMoves: [String] {
    guard let set = pieces.firstIndex(of: "set") else { return [] }
    let assignments = pieces[set...].prefix { $0 != "where" }
    let moves = assignments.indices.contains { index in
      pieces[index] == "tenant_id" && index + 1 < assignments.endIndex && pieces[index + 1] == "="
        && ["set", ","].contains(pieces[index - 1])
    }
    return moves ? ["SET tenant_id: a row never changes its tenant"] : []
  }

  private func isTable(at index: Int) -> Bool {
    index + 2 < pieces.count && pieces[index] == "registry" && pieces[index + 1] == "."
  }

  private func alias(after index: Int) -> String? {
    var index = index
    if index < pieces.count, pieces[index] == "as" { index += 1 }
    guard index < pieces.count, case .word(let word) = tokens[index].kind else { return nil }
    let keywords: Set<String> = [
      "where", "on", "join", "left", "right", "cross", "inner", "full", "set", "order", "group", "limit", "using",
      "values",
      "select", "union", "for", "returning", "having", "in",
    ]
    return keywords.contains(word) ? nil : word
  }

  private func insertNamesTenant(at index: Int) -> Bool {
    guard let open = pieces[index...].firstIndex(of: "("), open + 1 < pieces.count, pieces[open + 1] == "tenant_id",
      let source = pieces[open...].firstIndex(where: { $0 == "values" || $0 == "select" })
    else { return false }
    let value = pieces[(source + 1)...].drop { $0 == "(" }
    return value.first == "$1" || value.dropFirst().starts(with: [".", "tenant_id"])
  }

  private func hasPredicate(_ alias: String) -> Bool { pieces.indices.contains { isPredicate(at: $0, alias: alias) } }

  private func isPredicate(at index: Int, alias: String) -> Bool {
    if alias.isEmpty {
      return pieces[index...].starts(with: ["tenant_id", "=", "$1"]) && (index == 0 || pieces[index - 1] != ".")
    }
    return pieces[index...].starts(with: [alias, ".", "tenant_id", "=", "$1"])
  }
}

extension String {
  fileprivate var trimmed: String { hasSuffix(" ") ? String(dropLast()) : self }
}

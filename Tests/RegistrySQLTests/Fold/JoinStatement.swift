import EmbedSQLParsing
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The product's own upsert, taken apart so that tests run its ON CONFLICT clause over many rows at once.
struct JoinStatement {
  /// The columns it inserts, in the order of its parameters.
  let columns: [String]
  private let head: String
  private let conflict: String

  /// - Parameter text: The text of `connection_join`, or a mutant of it.
  /// - Throws: When the text is no longer an INSERT of one row of parameters, one per column and in their order, and the fence.
  init(text: String = RegistryStatements.connectionJoin.text) throws {
    let tokens = try SQLScanner.tokens(of: text, file: "connection_join").filter { !$0.isComment }
    let utf8 = Array(text.utf8)
    func piece(_ token: SQLToken) -> String { String(decoding: utf8[token.range], as: UTF8.self) }
    let words = tokens.map { piece($0).lowercased() }
    guard let values = words.firstIndex(of: "select"), let open = words[..<values].firstIndex(of: "("),
      let close = words[..<values].lastIndex(of: ")"),
      let conflictStart = words.indices.first(where: { words[$0...].starts(with: ["on", "conflict"]) })
    else { throw Unexpected(text: text) }
    columns = words[(open + 1)..<close].filter { $0 != "," }
    let parameters = tokens[values..<conflictStart].compactMap { token in
      if case .parameter(let number) = token.kind { number } else { nil }
    }
    // The last one says whom an erasure took out.
    guard parameters.prefix(columns.count) == Array(1...columns.count)[...], Set(parameters).count == columns.count + 1
    else { throw Unexpected(text: text) }
    head = String(decoding: utf8[..<tokens[values].range.lowerBound], as: UTF8.self)
    conflict = String(decoding: utf8[tokens[conflictStart].range.lowerBound...], as: UTF8.self)
  }

  /// The upsert over the rows of `fold_arrival` that come in at position `$2`, for the tenant `$1`.
  var overArrivals: String {
    let values = columns.map { $0 == "tenant_id" ? "$1::uuid" : "a.\($0)" }.joined(separator: ", ")
    return "\(head) SELECT \(values) FROM fold_arrival a WHERE a.pos = $2 \(conflict)"
  }

  struct Unexpected: Error { let text: String }
}

/// The product's change statement, for all connections: something comes in to each of them at every position `$2`.
enum ChangeStatement {
  static func overArrivals() throws -> String {
    let text = RegistryStatements.connectionChangeAppend.text
    guard text.contains("c.user_id = $2::text") else { throw JoinStatement.Unexpected(text: text) }
    return text.replacing("c.user_id = $2::text", with: "$2::integer > 0")
  }
}

extension ConnectionRegisters {
  /// The registers by the column that keeps them.
  var byColumn: [String: String] {
    let columns: [(String, String?)] = [
      ("auth_key", authKey?.rawValue), ("degraded_key", degradedKey?.rawValue), ("alive_key", aliveKey?.rawValue),
      ("failed_key", failedKey?.rawValue), ("revoked_key", revokedKey?.rawValue),
      ("deauthenticated_key", deauthenticatedKey?.rawValue), ("data_key", data?.rawValue),
      ("superseded_key", superseded?.key.rawValue), ("superseded_by", superseded?.value),
      ("correction_key", correction?.key.rawValue), ("correction_verdict", correction?.value.rawValue),
      ("reference_key", referenceID?.key.rawValue), ("reference_id", referenceID?.value),
      ("resource_key", resource?.key.rawValue), ("resource", resource?.value),
      ("scopes_key", scopes?.key.rawValue), ("scopes", scopes?.value),
    ]
    return Dictionary(uniqueKeysWithValues: columns.compactMap { column, value in value.map { (column, $0) } })
  }

  /// All columns that keep registers.
  static let columns = [
    "auth_key", "degraded_key", "alive_key", "failed_key", "revoked_key", "deauthenticated_key", "superseded_key",
    "superseded_by", "data_key", "correction_key", "correction_verdict", "reference_key", "reference_id",
    "resource_key",
    "resource", "scopes_key", "scopes",
  ]
}

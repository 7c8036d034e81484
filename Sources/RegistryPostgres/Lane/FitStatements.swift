/// Remembers which named statements may share a transaction, since looking a text through costs more than running it.
struct FitStatements: Sendable {
  private var texts: [String: String] = [:]
  private let limit: Int

  /// - Parameter limit: the most names remembered.
  init(limit: Int = 1024) {
    self.limit = limit
  }

  /// The index of the first statement that may not share a transaction; `nil` for none.
  mutating func firstUnfit(_ statements: [PostgresStatement]) -> Int? {
    statements.indices.first { !isFit(statements[$0]) }
  }

  private mutating func isFit(_ statement: PostgresStatement) -> Bool {
    guard let name = statement.name else { return LaneRequest.isFitForCompany(statement.text) }
    if texts[name] == statement.text { return true }
    guard LaneRequest.isFitForCompany(statement.text) else { return false }
    if texts.count >= limit { texts.removeAll(keepingCapacity: true) }
    texts[name] = statement.text
    return true
  }
}

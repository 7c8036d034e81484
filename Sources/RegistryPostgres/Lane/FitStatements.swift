/// Remembers which named statements may share a transaction, since looking a text through costs more than running it.
struct FitStatements: Sendable {
  private var texts: [String: String] = [:]
  /// The one found fit before, since neighbours mostly bring the same.
  private var lastName = ""
  private var lastText = ""
  private let limit: Int

  /// - Parameter limit: the most names remembered.
  init(limit: Int = 1024) {
    self.limit = limit
  }

  /// The index of the first statement that may not share a transaction; `nil` for none.
  mutating func firstUnfit(_ statements: [PostgresStatement]) -> Int? {
    for index in statements.indices {
      if !lastName.isEmpty, statements[index].name == lastName, statements[index].text == lastText { continue }
      if !isFit(statements[index]) { return index }
    }
    return nil
  }

  private mutating func isFit(_ statement: PostgresStatement) -> Bool {
    guard let name = statement.name else { return LaneRequest.isFitForCompany(statement.text) }
    if texts[name] != statement.text {
      guard LaneRequest.isFitForCompany(statement.text) else { return false }
      if texts.count >= limit { texts.removeAll(keepingCapacity: true) }
      texts[name] = statement.text
    }
    lastName = name
    lastText = statement.text
    return true
  }
}

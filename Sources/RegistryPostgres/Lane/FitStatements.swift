/// Remembers which named statements may share a transaction, since looking a text through costs more than running it.
struct FitStatements: Sendable {
  /// What statements are to others who share their transaction.
  enum Fitness: Equatable {
    case fit(onlyReads: Bool)
    /// The first that may not share one stands at this index.
    case unfit(Int)
  }

  private typealias Entry = (text: String, reads: Bool)

  private var entries: [String: Entry] = [:]
  /// The one found fit before, since neighbours mostly bring the same.
  private var lastName = ""
  private var last = Entry("", false)
  private let limit: Int

  /// - Parameter limit: the most names remembered.
  init(limit: Int = 1024) {
    self.limit = limit
  }

  /// Looks at all statements of one caller.
  mutating func fitness(of request: LaneRequest) -> Fitness {
    switch request {
    case .statement(let statement):
      return reads(statement).map { .fit(onlyReads: $0) } ?? .unfit(0)
    case .batch(let batch):
      var onlyReads = true
      for (index, statement) in batch.statements.enumerated() {
        guard let reads = reads(statement) else { return .unfit(index) }
        onlyReads = onlyReads && reads
      }
      return .fit(onlyReads: onlyReads)
    }
  }

  /// Whether the statement only reads; `nil` where it may not share a transaction.
  private mutating func reads(_ statement: PostgresStatement) -> Bool? {
    if !lastName.isEmpty, statement.name == lastName, statement.text == last.text { return last.reads }
    guard let name = statement.name else { return LaneRequest.reads(statement.text) }
    if let entry = entries[name], entry.text == statement.text {
      last = entry
    } else {
      guard let reads = LaneRequest.reads(statement.text) else { return nil }
      if entries.count >= limit { entries.removeAll(keepingCapacity: true) }
      last = (statement.text, reads)
      entries[name] = last
    }
    lastName = name
    return last.reads
  }
}

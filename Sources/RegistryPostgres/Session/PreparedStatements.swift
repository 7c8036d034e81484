/// Which statements a connection has prepared, and what must be sent before the next ones run. Pure bookkeeping.
///
/// A statement counts as prepared only once the server has said so: a plan changes nothing until `prepared(_:)` and
/// `deallocated(_:)` report how it went.
struct PreparedStatements {
  /// How one statement of a plan is to be run.
  enum Use: Equatable {
    /// Bind and run what is prepared under its name.
    case named
    /// Parse it this once.
    case unnamed
  }

  /// What must be sent, in order, for a list of statements.
  struct Plan: Equatable {
    /// Whether the server must forget all names first, because nobody knows which ones it still has.
    var forgetsAll = false
    /// Names to deallocate first.
    var deallocations: [String] = []
    /// Indexes of statements to prepare before they run.
    var preparations: [Int] = []
    /// How each statement runs; empty where all are ``Use/named``.
    var uses: [Use] = []

    /// How the statement at an index runs.
    func use(of index: Int) -> Use { uses.isEmpty ? .named : uses[index] }
  }

  private struct Entry {
    var text: String
    var lastUse: UInt64
    var isOutdated = false
  }

  private let limit: Int
  private var entries: [String: Entry] = [:]
  private var uses: UInt64 = 0
  /// Whether the server lost a name: whoever took that one may have taken or left the others.
  private var isInDoubt = false

  /// - Parameter limit: the most names kept per connection; 0 turns preparing off.
  init(limit: Int) {
    self.limit = limit
  }

  var count: Int { entries.count }

  /// Works out what to send.
  /// - Throws: `invalidParameter` when one name stands for two texts.
  mutating func plan(_ statements: [PostgresStatement]) throws(PostgresError) -> Plan {
    if areReady(statements) { return Plan() }
    var plan = Plan()
    var pending: [String: String] = [:]
    var keeping = Set<String>()
    if limit > 0 { for case let name? in statements.lazy.map(\.name) { keeping.insert(name) } }
    for (index, statement) in statements.enumerated() {
      guard limit > 0, let name = statement.name else {
        plan.uses.append(.unnamed)
        continue
      }
      uses += 1
      if let text = pending[name] ?? entries[name]?.text, text != statement.text {
        throw Self.ambiguous(name, index)
      }
      if pending[name] != nil {
        plan.uses.append(.named)
        continue
      }
      if let entry = entries[name] {
        entries[name]?.lastUse = uses
        plan.uses.append(.named)
        if entry.isOutdated {
          plan.deallocations.append(name)
          plan.preparations.append(index)
          pending[name] = statement.text
        }
        continue
      }
      let fresh = pending.keys.filter { entries[$0] == nil }.count
      let leaving = plan.deallocations.filter { pending[$0] == nil }.count
      if entries.count + fresh - leaving >= limit {
        let victim =
          entries.filter { !keeping.contains($0.key) && !plan.deallocations.contains($0.key) }
          .min { $0.value.lastUse < $1.value.lastUse }
        guard let victim else {
          plan.uses.append(.unnamed)
          continue
        }
        plan.deallocations.append(victim.key)
      }
      plan.preparations.append(index)
      plan.uses.append(.named)
      pending[name] = statement.text
    }
    plan.forgetsAll = isInDoubt && !plan.preparations.isEmpty
    return plan
  }

  /// Whether all statements are prepared as they are, which is how nearly every batch finds them.
  private mutating func areReady(_ statements: [PostgresStatement]) -> Bool {
    guard limit > 0 else { return false }
    // The one looked at before, since neighbours mostly share the statement, and then the very string.
    var last = (name: "", text: "")
    for place in statements.indices {
      if !last.name.isEmpty, statements[place].name == last.name, statements[place].text == last.text { continue }
      let statement = statements[place]
      guard let name = statement.name else { return false }
      guard let index = entries.index(forKey: name), !entries.values[index].isOutdated,
        entries.values[index].text == statement.text
      else { return false }
      uses += 1
      entries.values[index].lastUse = uses
      last = (name, statement.text)
    }
    return true
  }

  /// The server has prepared the statement.
  mutating func prepared(_ statement: PostgresStatement) {
    guard let name = statement.name else { return }
    uses += 1
    entries[name] = Entry(text: statement.text, lastUse: uses)
  }

  /// The server has forgotten all names.
  mutating func forgotAll() {
    entries.removeAll()
    isInDoubt = false
  }

  /// The server has forgotten the name.
  mutating func deallocated(_ name: String) {
    entries[name] = nil
  }

  /// The server refused to run what is prepared under the name, because the schema changed, or a pooler or a
  /// `DISCARD ALL` lost it.
  mutating func refused(_ name: String, isKnownToServer: Bool) {
    if isKnownToServer {
      entries[name]?.isOutdated = true
    } else {
      entries.removeAll()
      isInDoubt = true
    }
  }

  private static func ambiguous(_ name: String, _ index: Int) -> PostgresError {
    var error = PostgresError(
      .invalidParameter, "this name was prepared with another text before: a name stands for one text only")
    error.statementName = name
    return error
  }
}

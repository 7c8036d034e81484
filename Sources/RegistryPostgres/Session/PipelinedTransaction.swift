/// What travels in one pipeline with one sync: the work of one caller, or of several, as one transaction.
struct PipelinedTransaction: Sendable {
  /// One caller's share.
  struct Part: Sendable {
    var settings: [PostgresBatch.Setting]
    /// Where its statements stand among those of the whole transaction.
    var range: Range<Int>
  }

  /// One message of the pipeline; answers are read in the order of sending.
  enum Step: Sendable, Equatable {
    case begin
    /// SET LOCAL: an index into ``Itinerary/commands``.
    case setting(Int)
    case deallocateAll
    /// DEALLOCATE: an index into the plan's names.
    case deallocate(Int)
    /// An index into ``PipelinedTransaction/statements``.
    case prepare(Int)
    /// As for ``prepare(_:)``.
    case statement(Int, PreparedStatements.Use)
    case commit

    /// The statement of the transaction that a failure of this step belongs to.
    var statementIndex: Int? {
      switch self {
      case .prepare(let index), .statement(let index, _): index
      default: nil
      }
    }
  }

  /// Everything to send but the sync.
  struct Itinerary: Sendable {
    var steps: [Step] = []
    /// The texts of settings.
    var commands: [String] = []
    /// The names to deallocate.
    var deallocations: [String] = []
  }

  /// The text that begins it; `nil` leaves the transaction to the sync, which ends an implicit one.
  let beginText: String?
  private(set) var parts: [Part] = []
  /// Those of all parts, one part after the other.
  private(set) var statements: [PostgresStatement] = []

  init(beginText: String?, parts: Int = 1) {
    self.beginText = beginText
    self.parts.reserveCapacity(parts)
    statements.reserveCapacity(parts)
  }

  /// A batch by itself.
  /// - Throws: `invalidParameter` with the index of the statement that cannot be sent.
  init(_ batch: PostgresBatch) throws(PostgresError) {
    _ = try batch.checkedByteCount()
    beginText = batch.isolation.beginText
    append(batch)
  }

  /// Adds one caller's share, checked before.
  mutating func append(_ batch: PostgresBatch) {
    let start = statements.count
    statements.append(contentsOf: batch.statements)
    parts.append(Part(settings: batch.settings, range: start..<statements.count))
  }

  /// As for a batch, the share of a caller with one statement and no settings.
  mutating func append(_ statement: consuming PostgresStatement) {
    let start = statements.count
    statements.append(statement)
    parts.append(Part(settings: [], range: start..<statements.count))
  }

  /// How its answer is waited for.
  var manner: DirectWait.Manner {
    parts.count == 1 ? .awake : .asleep
  }

  /// BEGIN and the settings of the first part, without an end.
  var opening: Itinerary {
    var itinerary = Itinerary(steps: [.begin])
    for setting in parts.first?.settings ?? [] { itinerary.append(setting.text) }
    return itinerary
  }

  /// Everything to send but the sync.
  ///
  /// A SET LOCAL holds to the end of the transaction, so a part that does not set what an earlier one has set gets it
  /// put back to the session's own value first: a neighbour's tenant must not be seen. A part with the settings of the
  /// one before it needs none.
  func itinerary(_ plan: PreparedStatements.Plan) -> Itinerary {
    var itinerary = Itinerary(deallocations: plan.deallocations)
    itinerary.steps.reserveCapacity(statements.count + 2 * parts.count + plan.preparations.count + 2)
    if beginText != nil { itinerary.steps.append(.begin) }
    if plan.forgetsAll { itinerary.steps.append(.deallocateAll) }
    for index in plan.deallocations.indices { itinerary.steps.append(.deallocate(index)) }
    var preparations = plan.preparations[...]
    var inForce: [PostgresBatch.Setting] = []
    for part in parts {
      if part.settings != inForce { Self.append(part.settings, after: &inForce, to: &itinerary) }
      for index in part.range {
        if preparations.first == index {
          preparations.removeFirst()
          itinerary.steps.append(.prepare(index))
        }
        itinerary.steps.append(.statement(index, plan.use(of: index)))
      }
    }
    if beginText != nil { itinerary.steps.append(.commit) }
    return itinerary
  }

  private static func append(
    _ settings: [PostgresBatch.Setting], after inForce: inout [PostgresBatch.Setting], to itinerary: inout Itinerary
  ) {
    // The server does not tell upper from lower case in a setting's name.
    let wanted = Set(settings.map { $0.name.lowercased() })
    for name in Set(inForce.map { $0.name.lowercased() }).subtracting(wanted).sorted() {
      itinerary.append("SET LOCAL \(name) TO DEFAULT")
    }
    for setting in settings { itinerary.append(setting.text) }
    inForce = settings
  }
}

extension PipelinedTransaction.Itinerary {
  fileprivate mutating func append(_ command: String) {
    steps.append(.setting(commands.count))
    commands.append(command)
  }
}

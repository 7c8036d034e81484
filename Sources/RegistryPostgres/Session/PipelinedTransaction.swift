/// What travels in one pipeline with one sync: the work of one caller, or of several, as one transaction.
struct PipelinedTransaction: Sendable {
  /// One caller's share.
  struct Part: Sendable {
    var settings: [PostgresBatch.Setting]
    /// Where its statements stand in ``PipelinedTransaction/statements``.
    var statements: Range<Int>
  }

  /// One message of the pipeline; answers are read in the order of sending.
  enum Step: Sendable, Equatable {
    case begin
    /// SET LOCAL, as text.
    case setting(String)
    case deallocateAll
    case deallocate(String)
    case prepare(Int)
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

  /// The text that begins it; `nil` leaves the transaction to the sync, which ends an implicit one.
  let beginText: String?
  private(set) var parts: [Part] = []
  private(set) var statements: [PostgresStatement] = []
  private(set) var parameters: [EncodedParameters] = []

  init(beginText: String?) {
    self.beginText = beginText
  }

  /// A batch by itself.
  /// - Throws: `invalidParameter` with the index of the statement that cannot be sent.
  init(_ batch: PostgresBatch) throws(PostgresError) {
    beginText = batch.isolation.beginText
    append(batch, try EncodedParameters.of(batch))
  }

  /// Adds one caller's share, its parameters laid out before.
  mutating func append(_ batch: PostgresBatch, _ parameters: [EncodedParameters]) {
    let start = statements.count
    statements += batch.statements
    self.parameters += parameters
    parts.append(Part(settings: batch.settings, statements: start..<statements.count))
  }

  /// BEGIN and the settings of the first part, without an end.
  var openingSteps: [Step] {
    [.begin] + (parts.first?.settings.map { .setting($0.text) } ?? [])
  }

  /// Everything to send but the sync.
  ///
  /// A SET LOCAL holds to the end of the transaction, so a part that does not set what an earlier one has set gets it
  /// put back to the session's own value first: a neighbour's tenant must not be seen.
  func steps(_ plan: PreparedStatements.Plan) -> [Step] {
    var steps: [Step] = []
    steps.reserveCapacity(2 * statements.count + parts.count + 2)
    if beginText != nil { steps.append(.begin) }
    if plan.forgetsAll { steps.append(.deallocateAll) }
    steps += plan.deallocations.map(Step.deallocate)
    var preparations = plan.preparations[...]
    var inForce: [String: String] = [:]
    for part in parts {
      appendSettings(part, &inForce, &steps)
      for index in part.statements {
        if preparations.first == index { steps.append(.prepare(preparations.removeFirst())) }
        steps.append(.statement(index, plan.uses[index]))
      }
    }
    if beginText != nil { steps.append(.commit) }
    return steps
  }

  private func appendSettings(_ part: Part, _ inForce: inout [String: String], _ steps: inout [Step]) {
    guard !part.settings.isEmpty || !inForce.isEmpty else { return }
    var wanted: [String: String] = [:]
    // The server does not tell upper from lower case in a setting's name.
    for setting in part.settings { wanted[setting.name.lowercased()] = setting.text }
    guard wanted != inForce else { return }
    for name in inForce.keys.sorted() where wanted[name] == nil {
      steps.append(.setting("SET LOCAL \(name) TO DEFAULT"))
    }
    steps += part.settings.map { .setting($0.text) }
    inForce = wanted
  }
}

extension EncodedParameters {
  /// Lays out the parameters of all statements of a batch.
  /// - Throws: `invalidParameter` with the index of the statement that cannot be sent, or for too many statements.
  static func of(_ batch: PostgresBatch) throws(PostgresError) -> [EncodedParameters] {
    guard batch.statements.count <= PostgresBatch.maximumStatements else {
      throw PostgresError(
        .invalidParameter,
        "a batch of \(batch.statements.count) statements is larger than the limit of "
          + "\(PostgresBatch.maximumStatements): split it, or pass arrays and unnest them")
    }
    var parameters: [EncodedParameters] = []
    parameters.reserveCapacity(batch.statements.count)
    for (index, statement) in batch.statements.enumerated() {
      do throws(PostgresError) {
        parameters.append(try EncodedParameters(statement))
      } catch {
        var error = error
        error.statementIndex = index
        throw error
      }
    }
    return parameters
  }
}

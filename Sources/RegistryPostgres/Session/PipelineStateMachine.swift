/// What the answers to a pipeline with one sync mean, without the connection they come from: kinds of answers go in,
/// actions come out.
///
/// libpq hands out, for each message in the order of sending, its results and then "none"; after all of them the sync,
/// which is followed by nothing (PostgreSQL manual, chapter "Pipeline Mode").
struct PipelineStateMachine: Sendable {
  typealias Step = PipelinedTransaction.Step

  /// The kind of one answer.
  enum Answer: Sendable, Equatable {
    /// The step was done, or skipped because one before it failed.
    case done
    case error
    /// COPY has begun, which a pipeline cannot carry.
    case copy
    case sync
    /// The end of a step's results.
    case none
  }

  /// What the shell has to do.
  enum Action: Sendable, Equatable {
    case goOn
    /// Hold on to this result: it is the answer to the present step, unless a later one replaces it.
    case keep
    /// As ``keep``, and it is the first error.
    case keepError
    /// The step is over and was done: note the result that is kept.
    case note(Step)
    /// All was read, or all that a broken connection will give.
    case finish
    /// The connection ended, or broke the rules, before all was answered; whether COMMIT took effect is open.
    case giveUp
    /// The connection has to be closed, because COPY cannot be ended inside a pipeline.
    case refuseCopy
  }

  private let steps: [Step]
  /// Whether the sync ends the transaction, so that its answer may be an error.
  private let isImplicit: Bool
  private var position = 0
  private var hasAnswer = false
  /// Whether the error that stands in the sync's place can be one.
  private var isCredible = true
  /// The step that failed first; ``PipelinedTransaction/Step/commit`` where the sync did.
  private(set) var failedStep: Step?

  init(_ steps: [Step], isImplicit: Bool) {
    self.steps = steps
    self.isImplicit = isImplicit
  }

  /// An answer has come.
  /// - Parameters:
  ///   - answer: its kind.
  ///   - isBroken: whether the connection is known to be lost, or will be with this answer.
  /// - Returns: what the shell has to do; nothing more is to be read after `finish`, `giveUp` and `refuseCopy`.
  mutating func received(_ answer: Answer, isBroken: Bool) -> Action {
    guard position < steps.count else { return receivedAfterSteps(answer, isBroken: isBroken) }
    switch answer {
    case .copy:
      return .refuseCopy
    case .done:
      hasAnswer = true
      return .keep
    case .error, .sync:
      hasAnswer = true
      guard failedStep == nil else { return .keep }
      failedStep = steps[position]
      return .keepError
    case .none:
      guard hasAnswer else { return failedStep == nil ? .giveUp : .finish }
      hasAnswer = false
      let step = steps[position]
      position += 1
      guard failedStep == nil else { return isBroken ? .finish : .goOn }
      return .note(step)
    }
  }

  private mutating func receivedAfterSteps(_ answer: Answer, isBroken: Bool) -> Action {
    switch answer {
    case .sync:
      return .finish
    case .none:
      guard failedStep != nil else { return .giveUp }
      guard isCredible || isBroken else { return .giveUp }
      // Between an error of the sync and the sync's own mark stands one end of results.
      defer { hasAnswer = false }
      return hasAnswer && !isBroken ? .goOn : .finish
    case .done, .error, .copy:
      // After the first error only the end of the session can stand in the sync's place.
      if failedStep != nil { return isCredible || isBroken ? .finish : .giveUp }
      // The sync ends an implicit transaction, so what only its end can find, such as a deferred constraint, fails here;
      // after a COMMIT only the end of the session does.
      failedStep = .commit
      hasAnswer = true
      isCredible = isImplicit || isBroken
      return .keepError
    }
  }
}

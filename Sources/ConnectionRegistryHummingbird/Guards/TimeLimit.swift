/// Work that must be done in time.
enum TimeLimit {
  /// Runs work, and cancels it when its time is over.
  ///
  /// - Parameters:
  ///   - limit: How long it may take.
  ///   - problem: What to throw when it takes longer.
  ///   - work: What to do; must heed its task's cancellation.
  /// - Returns: What the work returns.
  /// - Throws: `problem` when the time is over, and what the work throws.
  static func run<Value: Sendable>(
    _ limit: Duration, orThrow problem: Problem, _ work: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await work() }
      group.addTask {
        try await Task.sleep(for: limit)
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let value = first else { throw problem }
      return value
    }
  }
}

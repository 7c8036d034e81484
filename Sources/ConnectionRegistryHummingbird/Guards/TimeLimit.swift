/// Work that must be done in time.
enum TimeLimit {
  /// Runs work, and cancels it when its time is over. What the work has nevertheless done is its answer: whoever was told
  /// to try again would have it done twice.
  ///
  /// - Parameters:
  ///   - limit: How long it may take.
  ///   - problem: What to throw when it takes longer.
  ///   - work: What to do; must heed its task's cancellation.
  /// - Returns: What the work returns.
  /// - Throws: `problem` when the time is over and the work returns nothing; what the work throws in time.
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
      if let first = try await group.next(), let value = first { return value }
      group.cancelAll()
      // The group waits for the work in any case.
      guard let late = try? await group.next(), let value = late else { throw problem }
      return value
    }
  }
}

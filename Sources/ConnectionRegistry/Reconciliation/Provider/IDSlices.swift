import RegistryPostgres
import RegistrySQL

/// Goes through ids in their order, in slices that take about as long as a step of a run, so that no statement grows with the
/// tenant and each renews the lease of the run.
struct IDSlices: Sendable {
  /// With how many ids a slice begins.
  let slice: Int
  /// Runs statements of the tenant as one transaction.
  let run: @Sendable ([BoundStatement]) async throws -> [PostgresResult]

  /// How many ids a slice has at most.
  static let largest = 200_000

  /// How large slices are, beginning with so many ids.
  static func pace(from slice: Int) -> SlicePace {
    SlicePace(
      size: Double(slice), bounds: Double(min(slice, 1_000))...Double(largest),
      target: ReconciliationWork.stepTarget)
  }

  /// Goes through the ids.
  ///
  /// - Parameters:
  ///   - ending: the statement that says, as `until`, where the slice after an id ends that holds so many; NULL is the end of
  ///     all.
  ///   - body: is given after which id a slice begins, and with which it ends.
  /// - Throws: what `run` and `body` throw, `CancellationError`.
  func each(
    ending: (PostgresParameter, PostgresParameter) -> BoundStatement,
    _ body: (PostgresParameter, PostgresParameter) async throws -> Void
  ) async throws {
    var pace = Self.pace(from: slice)
    // No id is empty.
    var after = ""
    while true {
      try Task.checkCancellation()
      let begun = ContinuousClock.now
      let results = try await run([ending(.text(after), .int(Int(pace.size))).plannedAnew])
      let until = try results.first?.rows.first?.decodeIfPresent("until", as: String.self)
      try await body(.text(after), .text(until))
      guard let until else { return }
      pace.note(done: pace.size, seconds: (ContinuousClock.now - begun).inSeconds)
      after = until
    }
  }
}

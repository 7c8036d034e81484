@testable import ConnectionRegistry
import NIOConcurrencyHelpers
import RegistryPostgres

/// Passes batches on, and watches who holds which tenant's run: from the answer to a claim until its place is about to be
/// given back.
struct WatchfulExecutor: PostgresBatchExecutor {
  /// What several processes are at work on.
  final class Watch: Sendable {
    private struct State {
      /// The lease of each tenant that is worked on.
      var holders: [String: String] = [:]
      var taken = 0
      var clashes: [String] = []
    }

    private let state = NIOLockedValueBox(State())

    /// How often a tenant was taken.
    var taken: Int { state.withLockedValue { $0.taken } }
    /// What happened that must not.
    var clashes: [String] { state.withLockedValue { $0.clashes } }
    /// Who is held still.
    var held: [String] { state.withLockedValue { $0.holders.keys.sorted() } }

    fileprivate func take(_ tenant: String, _ lease: String) {
      state.withLockedValue { state in
        // Its own claim again, where the first answer was lost.
        if state.holders[tenant] == lease { return }
        if state.holders[tenant] != nil { state.clashes.append("\(tenant) was taken while another was at work on it") }
        state.holders[tenant] = lease
        state.taken += 1
      }
    }

    fileprivate func work(_ tenant: String, _ lease: String) {
      state.withLockedValue { state in
        if state.holders[tenant] != lease { state.clashes.append("\(tenant) was worked on by who does not hold it") }
      }
    }

    fileprivate func give(_ tenant: String, _ lease: String) {
      state.withLockedValue { state in
        if state.holders[tenant] == lease { state.holders[tenant] = nil }
      }
    }
  }

  let base: any PostgresBatchExecutor
  let watch: Watch

  nonisolated(nonsending) func execute(
    _ batch: PostgresBatch, deadline: ContinuousClock.Instant?
  ) async throws -> [PostgresResult] {
    func subject(of name: String) -> (place: Int, tenant: String, lease: String)? {
      guard let place = batch.statements.firstIndex(where: { $0.name == name }) else { return nil }
      let parameters = batch.statements[place].parameters
      guard let tenant = parameters[0].literal, let lease = parameters[2].literal else { return nil }
      return (place, tenant, lease)
    }
    if let step = subject(of: "reconciliation_fence") { watch.work(step.tenant, step.lease) }
    for name in ["reconciliation_yield", "reconciliation_release"] {
      if let end = subject(of: name) { watch.give(end.tenant, end.lease) }
    }
    let results = try await base.execute(batch, deadline: deadline)
    // A claim that came too late changes nothing.
    if let claim = subject(of: "reconciliation_claim"), results[claim.place].affectedRows > 0 {
      watch.take(claim.tenant, claim.lease)
    }
    return results
  }
}

import NIOConcurrencyHelpers

/// The budgets of requests to Terra that this process keeps to, one per tenant: whatever asks for a tenant, slice by slice or
/// finding by finding, asks within the same one.
final class TerraBudget: Sendable {
  private struct Key: Hashable {
    var tenant: String
    var requestsPerSecond: Double
  }

  private let paces = NIOLockedValueBox<[Key: TerraPace]>([:])

  /// How many budgets are kept before those are let go that nobody has to wait for.
  static let kept = 1_000

  /// Takes the tenant's next place.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - requestsPerSecond: the budget, above 0.
  ///   - now: the present instant.
  /// - Returns: how long to wait before asking.
  func take(_ tenant: String, requestsPerSecond: Double, now: ContinuousClock.Instant) -> Duration {
    let key = Key(tenant: tenant, requestsPerSecond: requestsPerSecond)
    return paces.withLockedValue { paces in
      if paces[key] == nil, paces.count >= Self.kept { paces = paces.filter { !$0.value.isFree(at: now) } }
      return paces[key, default: TerraPace(requestsPerSecond: requestsPerSecond)].take(now: now)
    }
  }
}

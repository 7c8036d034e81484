import Foundation
import NIOConcurrencyHelpers

/// Holds each API key to its rate, in this process.
final class RateLimit: Sendable {
  /// How many keys are remembered; a key that has a full bucket need not be.
  static let capacity = 10_000

  private let rate: Double
  private let burst: Double
  private let clock: @Sendable () -> ContinuousClock.Instant
  private let buckets = NIOLockedValueBox<[UUID: TokenBucket]>([:])

  /// - Parameters:
  ///   - rate: How many requests a key may make in a second; zero is as many as it likes.
  ///   - burst: How many it may make at once after a pause.
  ///   - clock: Says what time it is.
  init(rate: Double, burst: Int, clock: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
    self.rate = rate
    self.burst = Double(max(1, burst))
    self.clock = clock
  }

  /// Counts one request of a key.
  ///
  /// - Parameter keyID: The key's id.
  /// - Throws: ``Problem`` `rate_limited` with `Retry-After` in whole seconds.
  func count(_ keyID: UUID) throws {
    guard rate > 0 else { return }
    let now = clock()
    let wait = buckets.withLockedValue { buckets in
      if buckets.count >= Self.capacity, buckets[keyID] == nil {
        buckets = buckets.filter { _, bucket in
          var bucket = bucket
          return !bucket.isFull(at: now)
        }
        // Still too many at once: forgetting them is kinder than refusing those who come next.
        if buckets.count >= Self.capacity { buckets.removeAll(keepingCapacity: true) }
      }
      return buckets[keyID, default: TokenBucket(rate: rate, burst: burst, at: now)].take(at: now)
    }
    guard let wait else { return }
    let seconds = max(1, Int((wait / .seconds(1)).rounded(.up)))
    throw Problem(
      .rateLimited, "This API key makes too many requests: wait \(seconds) s and make fewer.", retryAfter: seconds)
  }
}

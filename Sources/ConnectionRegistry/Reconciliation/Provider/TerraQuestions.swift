import NIOConcurrencyHelpers
import RegistryTerra

/// Asks Terra within the budget of one run, and again where that may help.
final class TerraQuestions: Sendable {
  /// How often one question is asked at most.
  static let maximumTries = 4
  /// Longer pauses than this are left to the next run.
  static let longestPause: Duration = .seconds(60)

  let client: TerraClient
  private let pace: NIOLockedValueBox<TerraPace>
  private let sleep: @Sendable (Duration) async throws -> Void

  /// - Parameters:
  ///   - client: the tenant's way to Terra.
  ///   - requestsPerSecond: the budget.
  ///   - sleep: waits.
  init(
    client: TerraClient, requestsPerSecond: Double,
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) {
    self.client = client
    pace = NIOLockedValueBox(TerraPace(requestsPerSecond: requestsPerSecond))
    self.sleep = sleep
  }

  /// Asks; only what changes nothing at Terra may be asked so, because it may be asked several times.
  ///
  /// - Parameter question: one request.
  /// - Returns: the answer.
  /// - Throws: `TerraAPIError` of the last try; `CancellationError`.
  func ask<Answer: Sendable>(_ question: (TerraClient) async throws -> Answer) async throws -> Answer {
    var tries = 1
    while true {
      let delay = pace.withLockedValue { $0.take(now: .now) }
      if delay > .zero { try await sleep(delay) }
      do {
        return try await question(client)
      } catch let error as TerraAPIError where error.isRetryable && tries < Self.maximumTries {
        let pause = error.retryAfter ?? .seconds(1 << tries) * Double.random(in: 0.5...1)
        guard pause <= Self.longestPause else { throw error }
        pace.withLockedValue { $0.pause(for: pause, now: .now) }
        tries += 1
      }
    }
  }
}

import NIOConcurrencyHelpers
import RegistryTerra

/// Asks Terra within the budget of one run, and again where that may help.
final class TerraQuestions: Sendable {
  /// How often one question is asked at most.
  static let maximumTries = 4
  /// Longer pauses than this are left to the next run. With one answer's deadline it is shorter than a lease, which is renewed
  /// before each try.
  static let longestPause: Duration = .seconds(60)

  private let connect: @Sendable () async throws -> TerraClient
  private let client = NIOLockedValueBox<TerraClient?>(nil)
  private let budget: @Sendable (ContinuousClock.Instant) -> Duration
  /// Until when Terra has asked for a pause.
  private let resumes = NIOLockedValueBox<ContinuousClock.Instant?>(nil)
  private let patience: Duration
  private let sleep: @Sendable (Duration) async throws -> Void
  private let renew: @Sendable () async throws -> Void

  /// - Parameters:
  ///   - budget: takes the next place, and says how long to wait for it.
  ///   - patience: the longest pause that is waited for.
  ///   - sleep: waits.
  ///   - renew: comes before each try, so that whoever holds a run keeps its lease however often Terra has to be asked.
  ///   - connect: the tenant's way to Terra, asked for with the first question.
  init(
    budget: @escaping @Sendable (ContinuousClock.Instant) -> Duration, patience: Duration = TerraQuestions.longestPause,
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
    renew: @escaping @Sendable () async throws -> Void = {},
    connect: @escaping @Sendable () async throws -> TerraClient
  ) {
    self.connect = connect
    self.budget = budget
    self.patience = patience
    self.sleep = sleep
    self.renew = renew
  }

  /// Asks; only what changes nothing at Terra may be asked so, because it may be asked several times.
  ///
  /// - Parameter question: one request.
  /// - Returns: the answer.
  /// - Throws: what renewing throws; `TerraAPIError` of the last try; `secret_unreadable` where the tenant's credentials
  ///   are missing or cannot be opened; `CancellationError`.
  func ask<Answer: Sendable>(_ question: (TerraClient) async throws -> Answer) async throws -> Answer {
    let client = try await opened()
    var tries = 1
    while true {
      try await renew()
      let now = ContinuousClock.now
      let delay = max(budget(now), resumes.withLockedValue { $0.map { $0 - now } } ?? .zero)
      if delay > .zero { try await sleep(delay) }
      do {
        return try await question(client)
      } catch let error as TerraAPIError where error.isRetryable && tries < Self.maximumTries {
        let pause = error.retryAfter ?? .seconds(1 << tries) * Double.random(in: 0.5...1)
        guard pause <= patience else { throw error }
        resumes.withLockedValue { $0 = max($0 ?? .now, .now + pause) }
        tries += 1
      }
    }
  }

  private func opened() async throws -> TerraClient {
    if let client = client.withLockedValue({ $0 }) { return client }
    let made = try await connect()
    client.withLockedValue { $0 = made }
    return made
  }
}

extension Tenant {
  /// What a run says where Terra cannot be asked for want of the tenant's credentials: what was left undone, and what to do.
  ///
  /// - Parameters:
  ///   - undone: what was left, without its full stop.
  ///   - error: why the credentials are not there.
  /// - Returns: sentences for whoever reads the run's report.
  func remark(_ undone: String, forWantOfCredentials error: RegistryError) -> String {
    "\(undone): \(error.message). `registry tenant rotate-secret \(slug) --terra-api-key-file FILE` stores Terra's API key "
      + "anew; one that is sealed opens with the master key that sealed it, among REGISTRY_MASTER_KEYS."
  }
}

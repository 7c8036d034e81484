/// When a call that failed is made again: only where that cannot do anything twice, a few times, within the deadline.
public struct TerraRetry: Sendable, Hashable {
  /// How often a call is made at most.
  public var maximumTries = 3
  /// The pause before the second try, at most; each further one may be twice as long.
  public var firstPause: Duration = .milliseconds(200)

  /// The usual bounds.
  public init() {}

  /// How long to wait before the next try.
  ///
  /// - Parameters:
  ///   - error: why the last try failed.
  ///   - tries: how many tries there were.
  ///   - isRepeatable: whether the call changes nothing at Terra. One that does is repeated only where it is known not
  ///     to have been carried out: it never reached Terra, or Terra turned it away (429).
  ///   - left: how much is left of the deadline.
  ///   - random: from 0 to 1, so that many callers do not come back at one moment.
  /// - Returns: the pause, or nil where the error stands.
  public func pause(
    after error: TerraAPIError, tries: Int, isRepeatable: Bool, left: Duration, random: Double
  ) -> Duration? {
    guard tries < maximumTries, !error.isUserLimit else { return nil }
    guard error.code == .unreachable || error.code == .rateLimited || isRepeatable && error.isRetryable
    else { return nil }
    let longest = firstPause * (1 << min(tries - 1, 10))
    let pause = error.retryAfter.map { $0 + firstPause * random } ?? longest * (0.5 + random / 2)
    // A try needs time of its own, or it only ends in a time-out.
    return pause + firstPause <= left ? pause : nil
  }
}

extension TerraClient {
  /// Makes a call, and makes it again as ``TerraRetry`` allows, within the one deadline of the configuration.
  ///
  /// - Parameters:
  ///   - isRepeatable: whether the call changes nothing at Terra.
  ///   - retry: the bounds.
  ///   - call: the call, on a client with what is left of the deadline.
  /// - Returns: what the call returned.
  /// - Throws: the last error, or `CancellationError`.
  public func retrying<Answer: Sendable>(
    isRepeatable: Bool, _ retry: TerraRetry = TerraRetry(), _ call: (TerraClient) async throws -> Answer
  ) async throws -> Answer {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: configuration.deadline)
    var tries = 0
    while true {
      do {
        return try await call(tries == 0 ? self : with(deadline: max(.milliseconds(1), clock.now.duration(to: end))))
      } catch let error as TerraAPIError {
        tries += 1
        let left = clock.now.duration(to: end)
        guard
          let pause = retry.pause(
            after: error, tries: tries, isRepeatable: isRepeatable, left: left, random: .random(in: 0...1))
        else { throw error }
        try await clock.sleep(for: pause)
      }
    }
  }
}

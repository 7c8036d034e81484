/// How webhooks are sent and tried again.
///
/// The defaults are Terra's documented schedule: 8 s for an answer, 10 retries, doubling from 30 s, at most 8 h.
public struct DeliverySettings: Sendable, Hashable, Codable {
  /// How long the first retry waits, in seconds; each further one waits twice as long.
  public var baseDelay: Double
  /// The longest wait between two tries, in seconds.
  public var maximumDelay: Double
  /// How often a webhook is sent in all, the first try included.
  public var maximumTries: Int
  /// How long an answer may take, in seconds.
  public var timeout: Double
  /// How many webhooks are on their way at once.
  public var concurrency: Int
  /// Whether a retry is signed with its own time. Terra does not say; by default the first signature stays.
  public var resignsRetries: Bool
  /// How many of the webhooks carry `X-Terra-Ordering-Timestamp`, 0 to 1. The legacy generation sends none.
  public var orderingTimestampRate: Double

  /// Creates settings.
  ///
  /// - Parameters:
  ///   - baseDelay: the wait before the first retry, in seconds.
  ///   - maximumDelay: the longest wait, in seconds.
  ///   - maximumTries: tries in all.
  ///   - timeout: the time for an answer, in seconds.
  ///   - concurrency: webhooks on their way at once.
  ///   - resignsRetries: whether a retry is signed with its own time.
  ///   - orderingTimestampRate: the part of the webhooks with an ordering timestamp, 0 to 1.
  public init(
    baseDelay: Double = 30, maximumDelay: Double = 28_800, maximumTries: Int = 11, timeout: Double = 8,
    concurrency: Int = 32, resignsRetries: Bool = false, orderingTimestampRate: Double = 0.8
  ) {
    self.baseDelay = baseDelay
    self.maximumDelay = maximumDelay
    self.maximumTries = maximumTries
    self.timeout = timeout
    self.concurrency = concurrency
    self.resignsRetries = resignsRetries
    self.orderingTimestampRate = orderingTimestampRate
  }

  enum CodingKeys: String, CodingKey {
    case timeout, concurrency
    case baseDelay = "base_delay"
    case maximumDelay = "maximum_delay"
    case maximumTries = "maximum_tries"
    case resignsRetries = "resigns_retries"
    case orderingTimestampRate = "ordering_timestamp_rate"
  }

  /// Reads settings; a missing one has its default.
  ///
  /// - Parameter decoder: the source.
  /// - Throws: `DecodingError` when a value has another type.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    self.baseDelay = try values.decodeIfPresent(Double.self, forKey: .baseDelay) ?? self.baseDelay
    self.maximumDelay = try values.decodeIfPresent(Double.self, forKey: .maximumDelay) ?? self.maximumDelay
    self.maximumTries = try values.decodeIfPresent(Int.self, forKey: .maximumTries) ?? self.maximumTries
    self.timeout = try values.decodeIfPresent(Double.self, forKey: .timeout) ?? self.timeout
    self.concurrency = try values.decodeIfPresent(Int.self, forKey: .concurrency) ?? self.concurrency
    self.resignsRetries = try values.decodeIfPresent(Bool.self, forKey: .resignsRetries) ?? self.resignsRetries
    self.orderingTimestampRate =
      try values.decodeIfPresent(Double.self, forKey: .orderingTimestampRate) ?? self.orderingTimestampRate
  }

  /// The wait after a try that failed.
  ///
  /// - Parameter number: the number of the try that failed, from 1.
  /// - Returns: seconds.
  public func delay(afterTry number: Int) -> Double {
    // Beyond 60 doublings the cap has long been reached.
    min(self.maximumDelay, self.baseDelay * Double(UInt64(1) << UInt64(min(max(number - 1, 0), 60))))
  }

  /// Checks the settings.
  ///
  /// - Throws: ``SandboxConfigurationError`` naming the setting that cannot work.
  public func validate() throws(SandboxConfigurationError) {
    guard self.baseDelay > 0, self.maximumDelay >= self.baseDelay else {
      throw SandboxConfigurationError(
        setting: "delivery.base_delay", reason: "must be above zero seconds and at most the maximum delay")
    }
    guard self.maximumTries >= 1 else {
      throw SandboxConfigurationError(setting: "delivery.maximum_tries", reason: "must be at least 1")
    }
    guard self.timeout > 0 else {
      throw SandboxConfigurationError(setting: "delivery.timeout", reason: "must be above zero seconds")
    }
    guard self.concurrency >= 1 else {
      throw SandboxConfigurationError(setting: "delivery.concurrency", reason: "must be at least 1")
    }
    guard (0...1).contains(self.orderingTimestampRate) else {
      throw SandboxConfigurationError(setting: "delivery.ordering_timestamp_rate", reason: "must lie between 0 and 1")
    }
  }
}

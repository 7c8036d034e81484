/// Everything that a ``Sandbox`` needs to know.
///
/// It can be read from JSON with the keys `host`, `port`, `public_url`, `environments`, `delivery`, `thresholds`,
/// `faults`; each is optional. Without an environment there is one named `sandbox`.
public struct SandboxConfiguration: Sendable, Codable {
  /// The address to listen on.
  public var host: String
  /// The port to listen on; 0 takes a free one, see ``Sandbox/boundPort()``.
  public var port: Int
  /// The base of the login pages' URLs as a browser reaches them; `http://127.0.0.1:<port>` when nil.
  public var publicURL: String?
  /// The environments; their slugs and dev-ids differ.
  public var environments: [SandboxEnvironment]
  /// How webhooks are sent and tried again.
  public var delivery: DeliverySettings
  /// The limits that delays are scaled to.
  public var thresholds: SandboxThresholds
  /// Which faults happen how often.
  public var faults: FaultSettings
  /// Whether the ledger holds what the API answered about connections: pages of the listing and single ones. Off,
  /// because a long listing that is read often fills the memory.
  public var recordsAnswers = false

  /// Creates a configuration.
  ///
  /// - Parameters:
  ///   - host: the address to listen on.
  ///   - port: the port; 0 takes a free one.
  ///   - publicURL: the base of the login pages' URLs; nil means loopback and the bound port.
  ///   - environments: the environments.
  ///   - delivery: how webhooks are sent.
  ///   - thresholds: the limits that delays are scaled to.
  ///   - faults: which faults happen how often.
  public init(
    host: String = "127.0.0.1", port: Int = 0, publicURL: String? = nil,
    environments: [SandboxEnvironment] = [SandboxEnvironment(slug: "sandbox")],
    delivery: DeliverySettings = DeliverySettings(), thresholds: SandboxThresholds = SandboxThresholds(),
    faults: FaultSettings = FaultSettings()
  ) {
    self.host = host
    self.port = port
    self.publicURL = publicURL
    self.environments = environments
    self.delivery = delivery
    self.thresholds = thresholds
    self.faults = faults
  }

  enum CodingKeys: String, CodingKey {
    case host, port, environments, delivery, thresholds, faults
    case publicURL = "public_url"
  }

  /// Reads a configuration; a missing value has its default.
  ///
  /// - Parameter decoder: the source.
  /// - Throws: `DecodingError` when a value has another type or a fault is unknown.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    self.host = try values.decodeIfPresent(String.self, forKey: .host) ?? self.host
    self.port = try values.decodeIfPresent(Int.self, forKey: .port) ?? self.port
    self.publicURL = try values.decodeIfPresent(String.self, forKey: .publicURL)
    self.environments =
      try values.decodeIfPresent([SandboxEnvironment].self, forKey: .environments) ?? self.environments
    self.delivery = try values.decodeIfPresent(DeliverySettings.self, forKey: .delivery) ?? self.delivery
    self.thresholds = try values.decodeIfPresent(SandboxThresholds.self, forKey: .thresholds) ?? self.thresholds
    self.faults = try values.decodeIfPresent(FaultSettings.self, forKey: .faults) ?? self.faults
  }

  /// Checks the whole configuration.
  ///
  /// - Throws: ``SandboxConfigurationError`` naming the setting that cannot work.
  public func validate() throws(SandboxConfigurationError) {
    guard (0...65_535).contains(self.port) else {
      throw SandboxConfigurationError(setting: "port", reason: "must lie between 0 and 65535")
    }
    guard !self.environments.isEmpty else {
      throw SandboxConfigurationError(setting: "environments", reason: "at least one environment is needed")
    }
    guard Set(self.environments.map(\.slug)).count == self.environments.count else {
      throw SandboxConfigurationError(setting: "environments", reason: "two environments have the same slug")
    }
    guard Set(self.environments.map(\.devID)).count == self.environments.count else {
      throw SandboxConfigurationError(setting: "environments", reason: "two environments have the same dev_id")
    }
    try self.delivery.validate()
    try self.thresholds.validate()
    try self.faults.validate()
  }
}

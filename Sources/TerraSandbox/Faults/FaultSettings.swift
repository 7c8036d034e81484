/// Which faults happen how often, and from which seed.
public struct FaultSettings: Sendable, Hashable, Codable {
  /// The seed of all decisions.
  public var seed: UInt64
  /// The part of the attempts that has a fault, 0 to 1. A fault that is not named does not happen.
  public var rates: [SandboxFault: Double]
  /// Whether one attempt may have several faults, one of each group. The rates are then independent.
  public var combines: Bool
  /// How long after a connection something becomes of it (revocation, error …), in seconds. Above one second, so
  /// that the two events differ in the whole seconds of their signatures.
  public var followDelay: Double

  /// Creates settings.
  ///
  /// - Parameters:
  ///   - seed: the seed of all decisions.
  ///   - rates: the part of the attempts that has a fault, 0 to 1.
  ///   - combines: whether one attempt may have several faults.
  ///   - followDelay: the time between a connection and what becomes of it, in seconds.
  public init(
    seed: UInt64 = 1, rates: [SandboxFault: Double] = [:], combines: Bool = false, followDelay: Double = 1.2
  ) {
    self.seed = seed
    self.rates = rates
    self.combines = combines
    self.followDelay = followDelay
  }

  enum CodingKeys: String, CodingKey {
    case seed, rates, combines
    case followDelay = "follow_delay"
  }

  /// Reads settings; `rates` is an object from fault names to numbers.
  ///
  /// - Parameter decoder: the source.
  /// - Throws: `DecodingError` when a fault is unknown or a value has another type.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    self.seed = try values.decodeIfPresent(UInt64.self, forKey: .seed) ?? self.seed
    self.combines = try values.decodeIfPresent(Bool.self, forKey: .combines) ?? self.combines
    self.followDelay = try values.decodeIfPresent(Double.self, forKey: .followDelay) ?? self.followDelay
    for (name, rate) in try values.decodeIfPresent([String: Double].self, forKey: .rates) ?? [:] {
      guard let fault = SandboxFault(rawValue: name) else {
        let known = SandboxFault.allCases.map(\.rawValue).joined(separator: ", ")
        throw DecodingError.dataCorruptedError(
          forKey: .rates, in: values, debugDescription: "no fault is named '\(name)'; known are \(known)")
      }
      self.rates[fault] = rate
    }
  }

  /// Writes settings in the form that `init(from:)` reads.
  ///
  /// - Parameter encoder: the target.
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(self.seed, forKey: .seed)
    try values.encode(self.combines, forKey: .combines)
    try values.encode(self.followDelay, forKey: .followDelay)
    let named = self.rates.map { ($0.key.rawValue, $0.value) }
    try values.encode(Dictionary(uniqueKeysWithValues: named), forKey: .rates)
  }

  /// Checks the settings.
  ///
  /// - Throws: ``SandboxConfigurationError`` when a rate is outside 0 ... 1, or the rates of single faults exceed 1.
  public func validate() throws(SandboxConfigurationError) {
    for (fault, rate) in self.rates where !(0...1).contains(rate) {
      throw SandboxConfigurationError(setting: "faults.rates.\(fault.rawValue)", reason: "must lie between 0 and 1")
    }
    // The tolerance is for sums such as ten times 0.1.
    if !self.combines, self.rates.values.reduce(0, +) > 1 + 1e-9 {
      throw SandboxConfigurationError(
        setting: "faults.rates", reason: "their sum must not exceed 1 while an attempt has at most one fault")
    }
    guard self.followDelay >= 0 else {
      throw SandboxConfigurationError(setting: "faults.follow_delay", reason: "must not be negative")
    }
  }
}

/// All that is known about one connection: per kind of evidence the greatest order key seen, and per value the one that
/// the latest fact gave.
///
/// The join is commutative, associative and idempotent, so any order and any repetition of facts gives the same
/// registers, and ``status`` is a pure view of them.
public struct ConnectionRegisters: Sendable, Hashable {
  /// The latest authentication.
  public var authKey: OrderKey?
  /// The latest `connection_error`.
  public var degradedKey: OrderKey?
  /// The latest sign of life: an authentication, a `connection_error` or a `permission_change`.
  public var aliveKey: OrderKey?
  /// The latest failed attempt.
  public var failedKey: OrderKey?
  /// The latest revocation at the provider.
  public var revokedKey: OrderKey?
  /// The latest deauthentication through Terra.
  public var deauthenticatedKey: OrderKey?
  /// The latest data webhook, floored to the minute.
  public var data: OrderKey?
  /// The latest supersession; its value is the new `user_id`.
  public var superseded: Register<String>?
  /// The latest observation of our own.
  public var correction: Register<CorrectionVerdict>?
  /// The latest `reference_id` that a fact named.
  public var referenceID: Register<String>?
  /// The latest resource that a fact named.
  public var resource: Register<String>?
  /// The latest full list of scopes that a fact named.
  public var scopes: Register<String>?

  /// The registers of a connection about which nothing is known.
  public init() {}

  /// The registers that one fact fills.
  ///
  /// - Parameters:
  ///   - evidence: what the fact says.
  ///   - key: the fact's order key.
  ///   - attributes: the values that the fact carries; absent and empty ones fill nothing.
  public init(of evidence: Evidence, key: OrderKey, attributes: ConnectionAttributes = .none) {
    switch evidence {
    case .data: data = key
    case .permissionChange: aliveKey = key
    case .connectionError: (degradedKey, aliveKey) = (key, key)
    case .failure: failedKey = key
    case .auth: (authKey, aliveKey) = (key, key)
    case .revoked: revokedKey = key
    case .deauthenticated: deauthenticatedKey = key
    case .superseded(let newUserID): superseded = Register(key: key, value: newUserID)
    case .correction(let verdict): correction = Register(key: key, value: verdict)
    }
    referenceID = Self.named(attributes.referenceID, key)
    resource = Self.named(attributes.resource, key)
    scopes = Self.named(attributes.scopes, key)
  }

  private static func named(_ value: String?, _ key: OrderKey) -> Register<String>? {
    guard let value, !value.isEmpty else { return nil }
    return Register(key: key, value: value)
  }

  /// The registers of one fact: the same as `fact.registers`.
  public static func of(_ fact: ConnectionFact) -> ConnectionRegisters {
    fact.registers
  }

  /// The least registers that know all that both know.
  public func joined(with other: ConnectionRegisters) -> ConnectionRegisters {
    var joined = ConnectionRegisters()
    joined.authKey = Self.later(authKey, other.authKey)
    joined.degradedKey = Self.later(degradedKey, other.degradedKey)
    joined.aliveKey = Self.later(aliveKey, other.aliveKey)
    joined.failedKey = Self.later(failedKey, other.failedKey)
    joined.revokedKey = Self.later(revokedKey, other.revokedKey)
    joined.deauthenticatedKey = Self.later(deauthenticatedKey, other.deauthenticatedKey)
    joined.data = Self.later(data, other.data)
    joined.superseded = Self.later(superseded, other.superseded)
    joined.correction = Self.later(correction, other.correction)
    joined.referenceID = Self.later(referenceID, other.referenceID)
    joined.resource = Self.later(resource, other.resource)
    joined.scopes = Self.later(scopes, other.scopes)
    return joined
  }

  private static func later(_ left: OrderKey?, _ right: OrderKey?) -> OrderKey? {
    guard let left, let right else { return left ?? right }
    return max(left, right)
  }

  private static func later<Value>(_ left: Register<Value>?, _ right: Register<Value>?) -> Register<Value>? {
    guard let left, let right else { return left ?? right }
    return left.joined(with: right)
  }
}

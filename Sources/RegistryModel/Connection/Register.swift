/// What a register can hold: a value with a text, by whose bytes the value is compared.
public protocol RegisterValue: Sendable {
  /// The text of the value, as the database keeps it.
  var registerText: String { get }
}

extension String: RegisterValue {
  /// The text of the value, as the database keeps it.
  public var registerText: String { self }
}

/// A value together with the order key of the fact that wrote it: the greater key wins.
public struct Register<Value: RegisterValue>: Sendable, Hashable {
  /// The order key of the fact that wrote the value.
  public let key: OrderKey
  /// The value.
  public let value: Value

  /// - Parameters:
  ///   - key: the order key of the fact that writes the value.
  ///   - value: the value.
  public init(key: OrderKey, value: Value) {
    self.key = key
    self.value = value
  }

  /// The one of the two that counts: that of the greater key; at equal keys that of the greater value, so that the
  /// answer does not depend on which came first.
  public func joined(with other: Register) -> Register {
    if key != other.key { return key < other.key ? other : self }
    let ownText = value.registerText.utf8
    return ownText.lexicographicallyPrecedes(other.value.registerText.utf8) ? other : self
  }

  /// Whether the two are the same, byte for byte.
  public static func == (left: Register, right: Register) -> Bool {
    left.key == right.key && left.value.registerText.utf8.elementsEqual(right.value.registerText.utf8)
  }

  /// Feeds the bytes that equality compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(key)
    for byte in value.registerText.utf8 { hasher.combine(byte) }
  }
}

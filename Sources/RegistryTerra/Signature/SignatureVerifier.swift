import Crypto

/// Verifies the signature of a webhook while its body streams by.
///
/// Every secret is tried against every signature of the header, in time that depends on neither. Without a secret the
/// verifier does the same work with a dummy and says no, so that an unknown tenant cannot be told from a bad signature.
public struct SignatureVerifier: Sendable {
  private let candidates: [[UInt8]]
  private let hasSecret: [Bool]
  private var computations: [HMAC<SHA256>]

  /// - Parameters:
  ///   - signature: the signature header.
  ///   - secrets: the signing secrets that may have been used, as bytes of UTF-8; an empty secret matches nothing.
  public init(signature: TerraSignature, secrets: [[UInt8]]) {
    let usable = secrets.isEmpty ? [[]] : secrets
    candidates = signature.candidates
    hasSecret = usable.map { !$0.isEmpty }
    let prefix = Array("\(signature.timestampText).".utf8)
    computations = usable.map { secret in
      var computation = HMAC<SHA256>(key: SymmetricKey(data: secret.isEmpty ? Self.dummySecret : secret))
      computation.update(data: prefix)
      return computation
    }
  }

  private static let dummySecret = [UInt8](repeating: 0x5A, count: 32)

  /// Takes the next bytes of the raw body; the split into chunks makes no difference.
  public mutating func update(_ bytes: some Sequence<UInt8>) {
    let wasContiguous: Void? = bytes.withContiguousStorageIfAvailable { buffer in
      update(UnsafeRawBufferPointer(buffer))
    }
    if wasContiguous == nil { update(Array(bytes)) }
  }

  /// Takes the next bytes of the raw body; the split into chunks makes no difference.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    for index in computations.indices { computations[index].update(data: bytes) }
  }

  /// Whether one of the secrets made one of the signatures.
  public func finalize() -> Bool {
    matchingSecret() != nil
  }

  /// The index of the first secret that made one of the signatures, which tells how far a rotation has come.
  public func matchingSecret() -> Int? {
    var matching: Int?
    for (index, computation) in computations.enumerated() {
      let code = Array(computation.finalize())
      var isMatch = false
      for candidate in candidates { isMatch = Self.equal(code, candidate) || isMatch }
      if isMatch, hasSecret[index], matching == nil { matching = index }
    }
    return matching
  }

  private static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in left.indices { difference |= left[index] ^ right[index] }
    return difference == 0
  }

  /// Whether one of the secrets signed a whole body.
  ///
  /// - Parameters:
  ///   - signature: the signature header.
  ///   - secrets: the signing secrets that may have been used.
  ///   - body: the raw body.
  /// - Returns: whether one of the secrets made one of the signatures.
  public static func verifies(_ signature: TerraSignature, secrets: [[UInt8]], body: some Sequence<UInt8>) -> Bool {
    var verifier = SignatureVerifier(signature: signature, secrets: secrets)
    verifier.update(body)
    return verifier.finalize()
  }
}

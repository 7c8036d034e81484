import Crypto
import Foundation

/// The keys under which the registry seals Terra's API keys and signing secrets (AES-256-GCM, NIST SP 800-38D).
///
/// The first key seals, all of them open, so a key is rotated by putting a new one before the old.
public struct MasterKeyRing: Sendable {
  private struct Key {
    let id: [UInt8]
    let sealing: SymmetricKey
    let authenticating: SymmetricKey
  }

  private let keys: [Key]

  /// Reads a ring from its setting.
  ///
  /// - Parameter text: one or several keys, separated by commas, each 32 random bytes in base64
  ///   (`openssl rand -base64 32`).
  /// - Throws: ``RegistryError`` of code `invalid_request` that says which key is at fault and what a key is.
  public init(_ text: String) throws(RegistryError) {
    var keys: [Key] = []
    for (number, part) in text.split(separator: ",").enumerated() {
      guard let data = Data(base64Encoded: part.trimmingCharacters(in: .whitespacesAndNewlines)), data.count == 32
      else {
        throw RegistryError.invalid(
          "REGISTRY_MASTER_KEYS",
          "key \(number + 1) is not 32 bytes in base64: make one with `openssl rand -base64 32`")
      }
      let key = SymmetricKey(data: data)
      keys.append(
        Key(
          id: Array(Fingerprint.sha256(data).prefix(4)), sealing: key,
          authenticating: HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, info: Data("connection-registry authentication".utf8), outputByteCount: 32)))
    }
    guard !keys.isEmpty else {
      throw RegistryError.invalid(
        "REGISTRY_MASTER_KEYS", "no key is given: make one with `openssl rand -base64 32`")
    }
    self.keys = keys
  }

  /// A new key, as it stands in the setting.
  ///
  /// - Returns: 32 random bytes in base64.
  public static func newKey() -> String {
    SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }.base64EncodedString()
  }

  /// What a sealed text is for. With the tenant it is bound to the sealed bytes, so none can be moved.
  enum Purpose: String {
    case terraAPIKey = "terra_api_key"
    case terraSigning = "terra_signing"
    case terraUsersURL = "terra_users_url"
    case attempt
    case changeCursor = "change_cursor"
    case endpointSecret = "endpoint_secret"
    case answer
  }

  /// How many bytes a sealed text has more: version, key, nonce and tag.
  static let overhead = 33

  func seal(_ secret: [UInt8], tenantID: UUID, purpose: Purpose) throws -> [UInt8] {
    let first = keys[0]
    let box = try AES.GCM.seal(secret, using: first.sealing, authenticating: Self.context(tenantID, purpose))
    guard let combined = box.combined else {
      throw RegistryError(.internalFailure, "AES-GCM gave no combined form")
    }
    return [1] + first.id + Array(combined)
  }

  func open(_ sealed: [UInt8], tenantID: UUID, purpose: Purpose) throws(RegistryError) -> [UInt8] {
    let unreadable = RegistryError(
      .secretUnreadable,
      "a sealed \(purpose.rawValue) cannot be opened: REGISTRY_MASTER_KEYS lacks the key that sealed it")
    guard sealed.count > 5, sealed[0] == 1 else { throw unreadable }
    let id = Array(sealed[1..<5])
    for key in keys where key.id == id {
      if let box = try? AES.GCM.SealedBox(combined: sealed[5...]),
        let opened = try? AES.GCM.open(box, using: key.sealing, authenticating: Self.context(tenantID, purpose))
      {
        return Array(opened)
      }
    }
    throw unreadable
  }

  /// The bytes of ``authenticate(_:)``: the id of the key and half of an HMAC-SHA256.
  static let tagLength = 4 + 16

  /// A tag by which the registry knows a text of its own again; under a key derived from the first of the ring.
  func authenticate(_ message: [UInt8]) -> [UInt8] {
    let first = keys[0]
    return first.id + Self.code(message, first)
  }

  /// Whether the key that made a tag is in the ring.
  func holds(keyOf tag: [UInt8]) -> Bool { keys.contains { $0.id == Array(tag.prefix(4)) } }

  /// Whether a tag was made for a message with a key of the ring; takes as long whatever the tag.
  func isAuthentic(_ tag: [UInt8], of message: [UInt8]) -> Bool {
    guard tag.count == Self.tagLength, let key = keys.first(where: { $0.id == Array(tag.prefix(4)) }) else {
      return false
    }
    return zip(tag.dropFirst(4), Self.code(message, key)).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private static func code(_ message: [UInt8], _ key: Key) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: message, using: key.authenticating).prefix(16))
  }

  private static func context(_ tenantID: UUID, _ purpose: Purpose) -> [UInt8] {
    tenantID.bytes + Array(purpose.rawValue.utf8)
  }
}

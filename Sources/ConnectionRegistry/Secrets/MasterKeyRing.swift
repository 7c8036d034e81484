import Crypto
import Foundation

/// The keys under which the registry seals Terra's API keys and signing secrets (AES-256-GCM, NIST SP 800-38D).
///
/// The first key seals, all of them open, so a key is rotated by putting a new one before the old.
public struct MasterKeyRing: Sendable {
  private let keys: [(id: [UInt8], key: SymmetricKey)]

  /// Reads a ring from its setting.
  ///
  /// - Parameter text: one or several keys, separated by commas, each 32 random bytes in base64
  ///   (`openssl rand -base64 32`).
  /// - Throws: ``RegistryError`` of code `invalid_request` that says which key is at fault and what a key is.
  public init(_ text: String) throws(RegistryError) {
    var keys: [(id: [UInt8], key: SymmetricKey)] = []
    for (number, part) in text.split(separator: ",").enumerated() {
      guard let data = Data(base64Encoded: part.trimmingCharacters(in: .whitespacesAndNewlines)), data.count == 32
      else {
        throw RegistryError.invalid(
          "REGISTRY_MASTER_KEYS",
          "key \(number + 1) is not 32 bytes in base64: make one with `openssl rand -base64 32`")
      }
      keys.append((Array(Fingerprint.sha256(data).prefix(4)), SymmetricKey(data: data)))
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
    case attempt
    case changeCursor = "change_cursor"
  }

  /// How many bytes a sealed text has more: version, key, nonce and tag.
  static let overhead = 33

  func seal(_ secret: [UInt8], tenantID: UUID, purpose: Purpose) throws -> [UInt8] {
    let first = keys[0]
    let box = try AES.GCM.seal(secret, using: first.key, authenticating: Self.context(tenantID, purpose))
    guard let combined = box.combined else {
      throw RegistryError(.internalFailure, "AES-GCM gave no combined form")
    }
    return [1] + first.id + Array(combined)
  }

  func open(_ sealed: [UInt8], tenantID: UUID, purpose: Purpose) throws -> [UInt8] {
    let unreadable = RegistryError(
      .secretUnreadable,
      "a sealed \(purpose.rawValue) cannot be opened: REGISTRY_MASTER_KEYS lacks the key that sealed it")
    guard sealed.count > 5, sealed[0] == 1 else { throw unreadable }
    let id = Array(sealed[1..<5])
    for key in keys where key.id == id {
      if let box = try? AES.GCM.SealedBox(combined: sealed[5...]),
        let opened = try? AES.GCM.open(box, using: key.key, authenticating: Self.context(tenantID, purpose))
      {
        return Array(opened)
      }
    }
    throw unreadable
  }

  private static func context(_ tenantID: UUID, _ purpose: Purpose) -> [UInt8] {
    tenantID.bytes + Array(purpose.rawValue.utf8)
  }
}

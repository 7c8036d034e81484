@testable import ConnectionRegistry
import Foundation
import Testing

@Suite struct MasterKeyRingTests {
  static let tenant = TenantID.of(slug: "acme")
  static let secret = Array("a secret".utf8)

  @Test func whatIsSealedIsOpenedByARingThatHoldsItsKey() throws {
    let (old, new) = (MasterKeyRing.newKey(), MasterKeyRing.newKey())
    let sealed = try MasterKeyRing(old).seal(Self.secret, tenantID: Self.tenant, purpose: .terraAPIKey)
    let rotated = try MasterKeyRing("\(new), \(old)")
    #expect(try rotated.open(sealed, tenantID: Self.tenant, purpose: .terraAPIKey) == Self.secret)
    let anew = try rotated.seal(Self.secret, tenantID: Self.tenant, purpose: .terraAPIKey)
    #expect(try MasterKeyRing(new).open(anew, tenantID: Self.tenant, purpose: .terraAPIKey) == Self.secret)
    expectError(.secretUnreadable) {
      _ = try MasterKeyRing(old).open(anew, tenantID: Self.tenant, purpose: .terraAPIKey)
    }
  }

  @Test func movedAndAlteredCiphertextIsNotOpened() throws {
    let ring = try MasterKeyRing(MasterKeyRing.newKey())
    let sealed = try ring.seal(Self.secret, tenantID: Self.tenant, purpose: .terraAPIKey)
    expectError(.secretUnreadable) {
      _ = try ring.open(sealed, tenantID: TenantID.of(slug: "other"), purpose: .terraAPIKey)
    }
    expectError(.secretUnreadable) {
      _ = try ring.open(sealed, tenantID: Self.tenant, purpose: .terraSigning)
    }
    for index in sealed.indices {
      var altered = sealed
      altered[index] ^= 1
      expectError(.secretUnreadable) {
        _ = try ring.open(altered, tenantID: Self.tenant, purpose: .terraAPIKey)
      }
    }
    for length in 0..<sealed.count {
      expectError(.secretUnreadable) {
        _ = try ring.open(Array(sealed.prefix(length)), tenantID: Self.tenant, purpose: .terraAPIKey)
      }
    }
  }

  @Test(arguments: ["", ",", "short", "AAAA", MasterKeyRing.newKey() + ",AAAA"])
  func aRingThatIsNoneIsRefusedWithoutRepeatingIt(_ text: String) {
    let error = #expect(throws: RegistryError.self) { try MasterKeyRing(text) }
    #expect(error?.field == "REGISTRY_MASTER_KEYS")
    #expect(error?.message.contains("openssl rand -base64 32") == true)
  }

  @Test func noSecretStandsInADescription() throws {
    let key = MasterKeyRing.newKey()
    let ring = try MasterKeyRing(key)
    #expect(!"\(ring)".contains(key))
    #expect(!String(reflecting: ring).contains(Data(base64Encoded: key).map { "\(Array($0))" } ?? key))
  }
}

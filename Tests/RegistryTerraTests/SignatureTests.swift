import RegistryTerra
import Testing

@Suite struct SignatureTests {
  @Test func acceptsWhatTerraSigned() throws {
    let secret = try Fixture.secret()
    for fixture in try Fixture.all() {
      let signature = try TerraSignature(headerValues: [fixture.header])
      #expect(signature.timestamp == 1_767_225_600)
      #expect(SignatureVerifier.verifies(signature, secrets: [secret], body: fixture.body), "\(fixture.name)")
      #expect(!SignatureVerifier.verifies(signature, secrets: [Array("wrong".utf8)], body: fixture.body))
      var altered = fixture.body
      altered[altered.count / 2] ^= 1
      #expect(!SignatureVerifier.verifies(signature, secrets: [secret], body: altered))
      #expect(!SignatureVerifier.verifies(signature, secrets: [secret], body: fixture.body.dropLast()))
      #expect(!SignatureVerifier.verifies(signature, secrets: [secret], body: fixture.body + [0x20]))
      let signer = SignatureSigner(secret: secret)
      #expect(signer.header(timestamp: 1_767_225_600, body: fixture.body) == fixture.header)
    }
  }

  @Test func acceptsAnIndependentVector() throws {
    let signature = try TerraSignature(
      headerValues: ["t=12345678,v1=dca55eca8f595bd4d80250ab9609c7cbecec8e581c5c3822294f7c2ee1c99377"])
    #expect(SignatureVerifier.verifies(signature, secrets: [Array("key".utf8)], body: "123".utf8))
  }

  /// Headers over the body `{}`; `V` stands for the right signature of `t`, `X` for a wrong one.
  @Test(
    arguments: [
      ("t=1767225600,v1=V", true), ("t=1767225600, v1=V", true), (" t = 1767225600 ,\tv1 = V ", true),
      ("v1=V,t=1767225600", true), ("t=1767225600,v1=X,v1=V", true), ("t=1767225600,v1=V,v1=X", true),
      ("t=1767225600,v0=X,v1=V", true), ("t=1767225600,v1=V,v2=abc,other", true), (",,t=1767225600,,v1=V,", true),
      ("t=1,t=1767225600,v1=V", true), ("t=1767225600,t=1,v1=V", false), ("t=1767225600,v1=X", false),
      ("t=1767225601,v1=V", false), ("t=01767225600,v1=V", false), ("t=1767225600,v1=short,v1=V", true),
    ] as [(String, Bool)])
  func readsTheHeader(header: String, isGood: Bool) throws {
    let signature = try TerraSignature(headerValues: [Self.filled(header)])
    #expect(SignatureVerifier.verifies(signature, secrets: [Self.secret], body: "{}".utf8) == isGood)
  }

  @Test(
    arguments: [
      ("", .missingHeader), ("   ", .missingHeader), ("garbage", .missingTimestamp), ("v1=V", .missingTimestamp),
      ("t=,v1=V", .malformedTimestamp), ("t=abc,v1=V", .malformedTimestamp), ("t=+5,v1=V", .malformedTimestamp),
      ("t=-5,v1=V", .malformedTimestamp), ("t=1.5,v1=V", .malformedTimestamp), ("t=1e3,v1=V", .malformedTimestamp),
      ("t=٣,v1=V", .malformedTimestamp), ("t=9999999999999999999,v1=V", .malformedTimestamp),
      ("t=1767225600", .missingSignature), ("t=1767225600,v0=V", .missingSignature),
      ("t=1767225600,V1=V", .missingSignature), ("t=1767225600,v1=", .malformedSignature),
      ("t=1767225600,v1=xyz", .malformedSignature), ("t=1767225600,v1=abcd", .malformedSignature),
    ] as [(String, TerraSignatureError)])
  func refusesTheHeader(header: String, error: TerraSignatureError) {
    #expect(throws: error) { try TerraSignature(headerValues: [Self.filled(header)]) }
  }

  @Test func boundsTheNumberOfSignatures() {
    let many = "t=1767225600," + Array(repeating: "v1=X", count: 17).joined(separator: ",")
    #expect(throws: TerraSignatureError.tooManySignatures) { try TerraSignature(headerValues: [Self.filled(many)]) }
    let enough = "t=1767225600," + Array(repeating: "v1=X", count: 15).joined(separator: ",") + ",v1=V"
    #expect(throws: Never.self) {
      let signature = try TerraSignature(headerValues: [Self.filled(enough)])
      #expect(SignatureVerifier.verifies(signature, secrets: [Self.secret], body: "{}".utf8))
    }
  }

  @Test func acceptsUpperCaseHexadecimalAndAnEmptyBody() throws {
    let signer = SignatureSigner(secret: Self.secret)
    let header = signer.header(timestamp: 5, body: [])
    let upper = "t=5,v1=" + (header.split(separator: "=").last ?? "").uppercased()
    let signature = try TerraSignature(headerValues: [upper])
    #expect(SignatureVerifier.verifies(signature, secrets: [Self.secret], body: []))
  }

  @Test func severalHeadersCountAsOneAndTheNewerNameFirst() throws {
    let good = Self.filled("t=1767225600,v1=V")
    let parts = try TerraSignature(headerValues: ["t=1767225600", Self.filled("v1=V")])
    #expect(SignatureVerifier.verifies(parts, secrets: [Self.secret], body: "{}".utf8))
    let both = try TerraSignature(headers: [("terra-signature", Self.filled("t=1,v1=X")), ("X-TERRA-signature", good)])
    #expect(both.timestamp == 1_767_225_600)
    let blank = try TerraSignature(headers: [("X-Terra-Signature", " "), ("Terra-Signature", good)])
    #expect(blank.timestamp == 1_767_225_600)
    #expect(throws: TerraSignatureError.missingHeader) {
      try TerraSignature(headers: [("X-Signature", good), ("Authorization", good)])
    }
  }

  @Test func triesEverySecret() throws {
    let signature = try TerraSignature(headerValues: [Self.filled("t=1767225600,v1=V")])
    func match(_ secrets: [[UInt8]]) -> Int? {
      var verifier = SignatureVerifier(signature: signature, secrets: secrets)
      verifier.update("{}".utf8)
      #expect(verifier.finalize() == (verifier.matchingSecret() != nil))
      return verifier.matchingSecret()
    }
    #expect(match([Self.secret]) == 0)
    #expect(match([Array("old".utf8), Self.secret]) == 1)
    #expect(match([Array("old".utf8), Array("older".utf8)]) == nil)
    #expect(match([]) == nil)
  }

  @Test func anEmptySecretOrNoneMatchesNothing() throws {
    // What anybody could compute: the signatures under the empty key and under the verifier's dummy.
    for key in [[], [UInt8](repeating: 0x5A, count: 32)] {
      let header = SignatureSigner(secret: key).header(timestamp: 5, body: "{}".utf8)
      let signature = try TerraSignature(headerValues: [header])
      #expect(!SignatureVerifier.verifies(signature, secrets: [[]], body: "{}".utf8))
      #expect(!SignatureVerifier.verifies(signature, secrets: [], body: "{}".utf8))
    }
  }

  @Test func theSplitIntoChunksMakesNoDifference() throws {
    let fixture = try Fixture.named("user_reauth")
    let signature = try TerraSignature(headerValues: [fixture.header])
    let secret = try Fixture.secret()
    for split in 0...fixture.body.count {
      var verifier = SignatureVerifier(signature: signature, secrets: [Array("other".utf8), secret])
      verifier.update(fixture.body[..<split])
      verifier.update(fixture.body[split...].lazy.map { $0 })
      #expect(verifier.finalize())
    }
  }

  @Test func errorsSayNothingOfTheHeader() {
    for error in [TerraSignatureError.missingHeader, .malformedTimestamp, .malformedSignature, .tooManySignatures] {
      #expect(!"\(error)".isEmpty)
    }
  }

  private static let secret = Array("test-signing-secret".utf8)

  private static func filled(_ header: String) -> String {
    let right = SignatureSigner(secret: secret).header(timestamp: 1_767_225_600, body: "{}".utf8)
    let hex = right.split(separator: "=").last ?? ""
    return header.replacing("=V", with: "=\(hex)").replacing("= V", with: "= \(hex)")
      .replacing("=X", with: "=\(String(repeating: "0", count: 64))")
  }
}

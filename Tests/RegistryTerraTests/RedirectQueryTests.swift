import RegistryTerra
import TestRandom
import Testing

@Suite struct RedirectQueryTests {
  private static let uuid = "40f7b0e1-89e2-43ac-a5b8-1e29c8d47cad"

  @Test func readsTheRedirectsThatTerraMakes() {
    let usual = RedirectQuery(rawQuery: "user_id=\(Self.uuid)&reference_id=your-user-123&resource=GARMIN")
    #expect(usual.userID == Self.uuid)
    #expect(usual.referenceID == "your-user-123")
    #expect(usual.resource == "GARMIN")
    #expect(usual.reason == nil)
    #expect(usual.ambiguous.isEmpty)

    let otherOrder = RedirectQuery(rawQuery: "user_id=\(Self.uuid)&resource=google&reference_id=null")
    #expect(otherOrder.referenceID == nil)
    #expect(otherOrder.resource == "GOOGLE")

    let failure = RedirectQuery(rawQuery: "sid=T&resource=OURA&reason=missing_scopes&user_id=\(Self.uuid)")
    #expect(failure.reason == "missing_scopes")
    #expect(failure.parameters.map(\.name) == ["sid", "resource", "reason", "user_id"])
  }

  @Test(arguments: ["", "user_id", "user_id=", "user_id=null", "user_id=%6eull", "other=1", "&&", "=x", "="])
  func aMobileHandOverClaimsNoConnection(query: String) {
    #expect(RedirectQuery(rawQuery: query).userID == nil)
    #expect(RedirectQuery(rawQuery: query).raw == query)
  }

  @Test func decodesPercentAndPlus() {
    #expect(RedirectQuery(rawQuery: "reference_id=a%2Bb%40x.com").referenceID == "a+b@x.com")
    #expect(RedirectQuery(rawQuery: "reference_id=a+b%20c").referenceID == "a b c")
    #expect(RedirectQuery(rawQuery: "reference%5Fid=zo%C3%AB").referenceID == "zoë")
    #expect(RedirectQuery(rawQuery: "reference_id=a=b==").referenceID == "a=b==")
    #expect(RedirectQuery(rawQuery: "reference_id=東京").referenceID == "東京")
    #expect(RedirectQuery(rawQuery: "reference_id=NULL").referenceID == "NULL")
  }

  @Test(arguments: ["%", "%4", "%zz", "a%00b", "%ff", "%c3", "%ed%a0%80", "100%"])
  func keepsWhatDoesNotDecodeAsItCame(value: String) {
    let query = RedirectQuery(rawQuery: "reference_id=\(value)&resource=OURA")
    #expect(query.referenceID == value)
    #expect(query.undecodable == ["reference_id"])
    #expect(query.resource == "OURA")
  }

  @Test func bytesThatNoTextCanHoldAreEncoded() {
    let query = RedirectQuery(rawQuery: Array("user_id=a".utf8) + [0xFF, 0x00] + Array("b&resource=%41".utf8))
    #expect(query.raw == "user_id=a%FF%00b&resource=%41")
    #expect(query.userID == "a%FF%00b")
    #expect(query.undecodable == ["user_id"])
    #expect(query.resource == "A")
  }

  @Test func ofRepeatedParametersTheLastCountsAndTheNameIsListed() {
    let query = RedirectQuery(
      rawQuery: "user_id=a&reference_id=r&user_id=b&resource=OURA&reference_id=r&resource=OURA&resource=FITBIT")
    #expect(query.userID == "b")
    #expect(query.ambiguous == ["user_id", "resource"])
    #expect(RedirectQuery(rawQuery: "user_id=a&user_id=null").userID == nil)
    #expect(RedirectQuery(rawQuery: "user_id=null&user_id=a").userID == "a")
    #expect(RedirectQuery(rawQuery: "x=1&x=2&x=3").ambiguous == ["x"])
  }

  @Test func everyParameterMissingOrDoubled() {
    let names = ["user_id", "reference_id", "resource", "reason"]
    for mask in 0..<81 {
      var rest = mask
      let query = names.map { name in
        defer { rest /= 3 }
        return Array(repeating: "\(name)=V\(name)", count: rest % 3)
      }.joined().joined(separator: "&")
      let read = RedirectQuery(rawQuery: query)
      #expect((read.userID == nil) == !query.contains("user_id"))
      #expect((read.referenceID == nil) == !query.contains("reference_id"))
      #expect((read.resource == nil) == !query.contains("resource"))
      #expect((read.reason == nil) == !query.contains("reason"))
      #expect(read.ambiguous.isEmpty)
    }
  }

  @Test func survivesAnyBytes() {
    var random = SeededGenerator(seed: TestSeed.take())
    for _ in 0..<2_000 {
      let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        Bool.random(using: &random)
          ? Array("%&=+user_id0aF".utf8).randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
      }
      let query = RedirectQuery(rawQuery: bytes)
      #expect(!query.raw.utf8.contains(0))
      #expect(query.parameters.allSatisfy { !$0.name.utf8.contains(0) && !$0.value.utf8.contains(0) })
    }
  }
}

import Foundation
import RegistryModel
import Testing

@Suite struct IdentifierTests {
  @Test func referenceIDTakesOneTo1024BytesWithoutNUL() throws {
    #expect(try ReferenceID("a").rawValue == "a")
    #expect(try ReferenceID(String(repeating: "é", count: 512)).rawValue.utf8.count == 1_024)
    #expect(throws: InvalidValue(subject: "reference_id", reason: .empty)) { try ReferenceID("") }
    #expect(throws: InvalidValue(subject: "reference_id", reason: .tooLong(bytes: 1_025, limit: 1_024))) {
      try ReferenceID(String(repeating: "é", count: 512) + "x")
    }
    #expect(throws: InvalidValue(subject: "reference_id", reason: .tooLong(bytes: 4_096, limit: 1_024))) {
      try ReferenceID(String(repeating: "x", count: 4_096))
    }
    #expect(throws: InvalidValue(subject: "reference_id", reason: .containsNUL)) { try ReferenceID("a\0b") }
  }

  @Test func errorsNameTheRuleAndNeverTheText() throws {
    let text = "secret@example.com" + String(repeating: "x", count: 1_024)
    let error = #expect(throws: InvalidValue.self) { try ReferenceID(text) }
    #expect("\(try #require(error))" == "reference_id has 1042 bytes of UTF-8: at most 1024 are allowed")
    #expect(!"\(try ReferenceID("secret@example.com"))".contains("secret"))
  }

  @Test func comparesByBytesAndNotByCanonicalEquivalence() throws {
    let composed = try ReferenceID("zo\u{eb}")
    let decomposed = try ReferenceID("zoe\u{308}")
    #expect(composed.rawValue == decomposed.rawValue, "Swift takes the texts for equal")
    #expect(composed != decomposed)
    #expect(decomposed < composed)
    #expect(Set([composed, decomposed]).count == 2)
  }

  @Test func userIDTakesUpTo256Bytes() throws {
    #expect(try UserID(String(repeating: "u", count: 256)).rawValue.count == 256)
    #expect(throws: InvalidValue.self) { try UserID(String(repeating: "u", count: 257)) }
    #expect(throws: InvalidValue.self) { try UserID("") }
    #expect(throws: InvalidValue.self) { try UserID("\0") }
  }

  @Test func resourceIsUpperCasedInASCIIOnly() throws {
    #expect(try Resource("fitbit") == .fitbit)
    #expect(try Resource("Dexcom_eu").rawValue == "DEXCOM_EU")
    #expect(try Resource("straße").rawValue == "STRAßE")
    #expect(throws: InvalidValue.self) { try Resource("") }
  }

  @Test(arguments: ["a", "acme", "acme-2", "0", String(repeating: "z", count: 63)])
  func slugIsAccepted(text: String) throws {
    #expect(try TenantSlug(text).rawValue == text)
  }

  @Test(arguments: ["", "-a", "Acme", "a_b", "a b", "ä", "a/b", "a.b", String(repeating: "z", count: 64)])
  func slugIsRefused(text: String) {
    #expect(throws: InvalidValue.self) { try TenantSlug(text) }
  }

  @Test func decodingHoldsTheRules() throws {
    let bytes = Data(#"["acme","Acme"]"#.utf8)
    #expect(throws: InvalidValue.self) { try JSONDecoder().decode([TenantSlug].self, from: bytes) }
    #expect(try JSONDecoder().decode([Resource].self, from: bytes).map(\.rawValue) == ["ACME", "ACME"])
    #expect(String(decoding: try JSONEncoder().encode([Resource.oura]), as: UTF8.self) == #"["OURA"]"#)
  }
}

@testable import ConnectionRegistry
import Foundation
import TestDatabase
import TestRandom
import Testing

@Suite struct CursorTests {
  private static let tenant = UUID()
  private let old = MasterKeyRing.newKey()
  private let new = MasterKeyRing.newKey()

  private func cursors(
    _ list: String = "events", tenant: UUID = tenant, filter: [String?] = ["a", nil], keys: [String]? = nil
  ) throws -> ListCursors {
    ListCursors(
      list, of: tenant, filter: filter, keyRing: try MasterKeyRing((keys ?? [old]).joined(separator: ",")))
  }

  private static func read(_ cursors: ListCursors, _ text: String) throws -> Cursor? {
    try cursors.position(of: Page(limit: 1, cursor: text))
  }

  @Test func aCursorComesBackAsItWas() throws {
    var generator = SeededGenerator(seed: TestSeed.take("aCursorComesBackAsItWas"))
    let cursors = try cursors()
    for _ in 1...500 {
      let microseconds = Int64.random(in: -1_000_000...4_102_444_800_000_000, using: &generator)
      let at = Date(timeIntervalSince1970: Double(microseconds) / 1_000_000)
      let id = ["id with spaces", "ü", UUID().uuidString, "a"].randomElement(using: &generator) ?? ""
      let text = cursors.text(of: Cursor(at: at, id: id))
      #expect(text.utf8.allSatisfy { "-_".utf8.contains($0) || Character(UnicodeScalar($0)).isLetter || $0 < 0x3A })
      let read = try #require(try Self.read(cursors, text))
      #expect(Int64((read.at.timeIntervalSince1970 * 1_000_000).rounded()) == microseconds)
      #expect(read.id == id)
    }
  }

  @Test func aCursorHoldsForItsListItsTenantAndItsFilterOnly() throws {
    let text = try cursors().text(of: Cursor(at: Date(timeIntervalSince1970: 1), id: "a"))
    #expect(try Self.read(try cursors(), text) != nil)
    for others in [
      try cursors("callbacks"), try cursors(tenant: UUID()), try cursors(filter: ["a", ""]),
      try cursors(filter: ["b", nil]), try cursors(filter: [nil, "a"]), try cursors(filter: []),
    ] {
      expectError(.invalidRequest) { _ = try Self.read(others, text) }
    }
  }

  @Test func aCursorWithAnyByteChangedIsRefused() throws {
    let cursors = try cursors()
    let text = cursors.text(of: Cursor(at: Date(timeIntervalSince1970: 1_700_000_000), id: "an id"))
    let padded = text + String(repeating: "=", count: (4 - text.count % 4) % 4)
    var data = try #require(Data(base64Encoded: padded.replacing("-", with: "+").replacing("_", with: "/")))
    for index in data.indices {
      data[index] ^= 1
      let forged = data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
        .replacing("=", with: "")
      expectError(.invalidRequest) { _ = try Self.read(cursors, forged) }
      data[index] ^= 1
    }
    expectError(.invalidRequest) { _ = try Self.read(cursors, text + "A") }
    expectError(.invalidRequest) { _ = try Self.read(cursors, String(text.dropLast())) }
  }

  @Test func aCursorOutlivesARotationWhileItsKeyIsInTheRing() throws {
    let text = try cursors().text(of: Cursor(at: Date(timeIntervalSince1970: 1), id: "a"))
    #expect(try Self.read(try cursors(keys: [new, old]), text) != nil)
    do {
      _ = try Self.read(try cursors(keys: [new]), text)
      Issue.record("nothing was thrown")
    } catch let error as RegistryError {
      #expect(error.code == .invalidRequest && error.message.contains("begin again"))
    }
  }

  @Test func aCursorOfAnotherVersionIsRefusedWithWhatToDo() throws {
    // What the first version gave out: the time and the id in plain.
    let older = Data("1700000000000000 an id".utf8).base64EncodedString()
    do {
      _ = try Self.read(try cursors(), older.replacing("=", with: ""))
      Issue.record("nothing was thrown")
    } catch let error as RegistryError {
      #expect(error.field == "cursor" && error.message.contains("begin again without a cursor"))
    }
  }

  @Test(arguments: ["", "x", "AAAA", "MTIz", "AQ", "AQAAAAAAAAAAAA", "99999999999999999999", "%%%", "AQ=="])
  func whatIsNoCursorIsRefused(_ text: String) throws {
    let cursors = try cursors()
    expectError(.invalidRequest) { _ = try Self.read(cursors, text) }
  }

  @Test(arguments: [0, -1, 1_001, 1_000_000_000, Int.min]) func aPageHasOneToAThousandRows(_ limit: Int) throws {
    let cursors = try cursors()
    expectError(.invalidRequest) { _ = try cursors.position(of: Page(limit: limit)) }
  }
}

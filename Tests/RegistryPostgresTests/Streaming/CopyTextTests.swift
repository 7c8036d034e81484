import Testing

@testable import RegistryPostgres

/// The parts of streaming that need no server.
struct CopyTextTests {
  @Test(
    arguments: [
      ([], "\n"), ([.null], "\\N\n"), ([.text("")], "\n"), ([.text("\\N")], "\\\\N\n"),
      ([.text("a\tb\nc\rd\\e"), .int(-1)], "a\\tb\\nc\\rd\\\\e\t-1\n"),
      ([.bytes([0, 255]), .null], "\\\\x00ff\t\\N\n"),
      ([.text("\\."), .bool(true)], "\\\\.\tt\n"), ([.text("ä😀")], "ä😀\n"),
    ] as [([PostgresParameter], String)])
  func escapesWhatEndsAValueOrARow(values: [PostgresParameter], text: String) throws {
    var bytes: [UInt8] = Array("before\n".utf8)
    try CopyText.append(values, to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == "before\n" + text)
  }

  @Test func appendsNothingOfARowThatIsRefused() {
    var bytes: [UInt8] = Array("before\n".utf8)
    #expect(throws: PostgresError.self) { try CopyText.append([.int(1), .text("a\0b"), .int(2)], to: &bytes) }
    #expect(bytes.elementsEqual("before\n".utf8))
  }

  @Test(
    arguments: [
      ("COPY t FROM STDIN", true), ("copy(select 1) to stdout", true), ("\n\t /* a /* b */ c */ -- d\n CoPy t", true),
      ("COPY", true), ("COPY\"t\" FROM STDIN", true), ("", false), ("COP", false), ("copying", false),
      ("SELECT 1", false), ("-- COPY t", false), ("/* COPY t", false), ("COPY_t", false), ("é", false),
    ])
  func tellsACopyByItsFirstWord(text: String, isCopy: Bool) {
    #expect(CopyStatement.isCopy(text) == isCopy)
  }

  /// A report of an error is found wherever it begins and however much of it is there, and nothing else is taken for one.
  @Test func findsTheReportOfAnErrorAmongNotices() {
    func message(_ type: Character, severity: String, _ untranslated: String, text: String) -> [UInt8] {
      let body =
        Array("S\(severity)\0V\(untranslated)\0C00000\0M\(text)\0".utf8) + [0]
      return [type.asciiValue ?? 0] + withUnsafeBytes(of: UInt32(body.count + 4).bigEndian) { Array($0) } + body
    }
    func isIn(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes(ErrorReport.isIn) }
    let notice = message("N", severity: "NOTICE", "NOTICE", text: "E ERROR SERROR VERROR C")
    let warning = message("N", severity: "ERROR", "WARNING", text: String(repeating: "E", count: 300))
    for severity in ["ERROR", "FATAL", "PANIC"] {
      let error = message("E", severity: "FEHLER", severity, text: "m")
      #expect(isIn(error))
      for start in 0...notice.count {
        #expect(isIn(Array(notice[start...]) + warning + error))
        #expect(!isIn(Array(notice[start...]) + warning + notice + error.prefix(12)))
      }
    }
    #expect(!isIn([]))
    #expect(!isIn(Array("E".utf8)))
    func lengths(_ bytes: [UInt8]) -> [Int]? {
      bytes.withUnsafeBytes { ErrorReport.notices(in: $0, capacity: 1000)?.map(\.byteCount) }
    }
    for end in 0..<warning.count {
      #expect(lengths(notice + warning.prefix(end)) == [notice.count])
    }
    #expect(lengths(notice + warning + notice) == [notice.count, warning.count, notice.count])
    #expect(lengths(Array(notice.prefix(7))) == [])
    #expect(lengths(Array(notice.dropFirst())) == nil)
    let large = message("N", severity: "NOTICE", "NOTICE", text: String(repeating: "x", count: 1000))
    #expect(lengths(notice + large.prefix(100)) == [notice.count, large.count])
    let fields = notice.withUnsafeBytes { ErrorReport.notices(in: $0, capacity: 1000)?.first?.fields }
    #expect(fields == ["S": "NOTICE", "V": "NOTICE", "C": "00000", "M": "E ERROR SERROR VERROR C"])
  }
}

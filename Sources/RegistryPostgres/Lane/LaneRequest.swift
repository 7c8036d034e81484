/// One caller's work, checked on the caller's own thread.
struct LaneRequest: Sendable {
  var batch: PostgresBatch
  /// A single statement that needs no explicit transaction.
  var isBare: Bool
  var byteCount: Int

  /// - Throws: `invalidParameter` for what cannot be sent.
  init(_ batch: PostgresBatch, isBare: Bool) throws(PostgresError) {
    self.batch = batch
    self.isBare = isBare
    byteCount = try batch.checkedByteCount()
  }

  /// Work that is known to be fit.
  init(unchecked batch: PostgresBatch) {
    self.batch = batch
    isBare = false
    byteCount = 0
  }

  /// What is told to whoever brings a statement that could harm the neighbours.
  static func unfit(_ statement: PostgresStatement, at index: Int) -> PostgresError {
    var error = PostgresError(
      .unsupported,
      "a lane takes SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES and TABLE, and nothing that changes settings, "
        + "because callers share a transaction: give settings to the batch, and run everything else on a pool")
    error.statementIndex = index
    error.statementName = statement.name
    return error
  }

  /// Whether the statement leaves transaction, session and settings as they are. A function that hides such a change is
  /// beyond this look.
  static func isFitForCompany(_ text: String) -> Bool {
    let bytes = text.utf8.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }
    guard let word = firstWord(bytes), commands.contains(word) else { return false }
    return !contains(bytes, Array("set_config".utf8)) && !contains(bytes, Array("pg_settings".utf8))
  }

  private static let commands: Set<String> = [
    "select", "insert", "update", "delete", "merge", "with", "values", "table",
  ]

  /// The first word behind white space, parentheses and comments; `nil` for anything else that stands first.
  private static func firstWord(_ bytes: [UInt8]) -> String? {
    var index = 0
    var depth = 0
    func starts(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Bool {
      index + 1 < bytes.count && bytes[index] == UInt8(ascii: first) && bytes[index + 1] == UInt8(ascii: second)
    }
    while index < bytes.count {
      if depth == 0, starts("-", "-") {
        while index < bytes.count, bytes[index] != UInt8(ascii: "\n"), bytes[index] != UInt8(ascii: "\r") { index += 1 }
      } else if starts("/", "*") {
        depth += 1
        index += 2
      } else if depth > 0 {
        if starts("*", "/") {
          depth -= 1
          index += 1
        }
        index += 1
      } else if UInt8(ascii: "a")...UInt8(ascii: "z") ~= bytes[index] {
        let word = bytes[index...].prefix { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }
        return String(decoding: word, as: UTF8.self)
      } else if " \t\n\r\u{0B}\u{0C}(".utf8.contains(bytes[index]) {
        index += 1
      } else {
        return nil
      }
    }
    return nil
  }

  private static func contains(_ bytes: [UInt8], _ word: [UInt8]) -> Bool {
    guard let first = word.first, bytes.count >= word.count else { return false }
    for start in 0...(bytes.count - word.count) where bytes[start] == first {
      if bytes[start..<(start + word.count)].elementsEqual(word) { return true }
    }
    return false
  }
}

/// One caller's work.
enum LaneRequest: Sendable {
  /// It needs no explicit transaction.
  case statement(PostgresStatement)
  case batch(PostgresBatch)

  /// Whether it is a single statement.
  var isBare: Bool {
    switch self {
    case .statement: true
    case .batch: false
    }
  }

  /// What is told to whoever brings a statement that could harm the neighbours.
  func unfit(at index: Int) -> PostgresError {
    var error = PostgresError(
      .unsupported,
      "a lane takes SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES and TABLE, and nothing that changes settings, "
        + "because callers share a transaction: give settings to the batch, and run everything else on a pool")
    switch self {
    case .statement(let statement):
      error.statementName = statement.name
    case .batch(let batch):
      error.statementIndex = index
      error.statementName = batch.statements[index].name
    }
    return error
  }

  /// Whether the statement reads and does nothing else, as far as its first word says; `nil` where it may not share a
  /// transaction, because it does not leave transaction, session and settings as they are. What a function hides is
  /// beyond this look, and so are rows that a SELECT locks.
  static func reads(_ text: String) -> Bool? {
    let bytes = text.utf8.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }
    guard let word = firstWord(bytes), let reads = commands[word], !contains(bytes, Array("set_config".utf8)),
      !contains(bytes, Array("pg_settings".utf8))
    else { return nil }
    return reads
  }

  /// What may share a transaction, by its first word, and whether it only reads. WITH may hold statements that write.
  private static let commands = [
    "select": true, "values": true, "table": true, "with": false, "insert": false, "update": false, "delete": false,
    "merge": false,
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

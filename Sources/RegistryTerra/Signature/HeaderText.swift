/// Parts of header values.
enum HeaderText {
  /// The text without spaces and tabs around it.
  static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while let first = text.unicodeScalars.first, first == " " || first == "\t" { text = text.dropFirst() }
    while let last = text.unicodeScalars.last, last == " " || last == "\t" { text = text.dropLast() }
    return text
  }
}

/// Plain decimal numbers.
enum DecimalDigits {
  /// The number that 1 to 18 ASCII digits spell; nil for anything else, a sign included.
  static func value(of text: some StringProtocol) -> Int64? {
    let bytes = text.utf8
    guard (1...18).contains(bytes.count),
      bytes.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { return nil }
    return bytes.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
  }
}

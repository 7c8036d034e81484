public import Foundation

/// JSON as the API and the commands write it: snake_case, RFC 3339 times in UTC with microseconds, sorted keys.
public enum RegistryJSON {
  /// An encoder of the house's form.
  ///
  /// - Parameter pretty: whether to spread the document over lines.
  /// - Returns: a new encoder.
  public static func encoder(pretty: Bool = false) -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .custom { path in
      JSONKey(path.last?.stringValue ?? "")
    }
    encoder.outputFormatting =
      pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .custom { date, encoder in
      var container = encoder.singleValueContainer()
      try container.encode(RFC3339.text(of: date))
    }
    return encoder
  }

  /// A decoder of the house's form.
  ///
  /// - Returns: a new decoder.
  public static func decoder() -> JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .custom { path in
      SwiftName(path.last?.stringValue ?? "")
    }
    decoder.dateDecodingStrategy = .custom { decoder in
      let text = try decoder.singleValueContainer().decode(String.self)
      guard let date = RFC3339.date(from: text) else {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: "not a time as RFC 3339 writes it"))
      }
      return date
    }
    return decoder
  }
}

/// A key in JSON out of a property's name: `sessionID` is `session_id`, `returnURLs` is `return_urls`.
private struct JSONKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(_ name: String) {
    var words: [String] = []
    let letters = Array(name.replacing("URLs", with: "Urls"))
    for (index, letter) in letters.enumerated() {
      let endsAbbreviation = index + 1 < letters.count && letters[index + 1].isLowercase
      let continuesWord = words.last?.last?.isUppercase == true && !endsAbbreviation
      if words.isEmpty || letter.isUppercase && !continuesWord {
        words.append(String(letter))
      } else {
        words[words.count - 1].append(letter)
      }
    }
    stringValue = words.joined(separator: "_").lowercased()
  }

  init?(stringValue: String) {
    self.init(stringValue)
  }

  init?(intValue: Int) {
    nil
  }
}

/// A property's name out of its key in JSON: `session_id` is `sessionID`, as Swift's names write abbreviations.
private struct SwiftName: CodingKey {
  static let abbreviations = ["id": "ID", "url": "URL", "urls": "URLs", "sha256": "SHA256", "api": "API"]

  let stringValue: String
  var intValue: Int? { nil }

  init(_ key: String) {
    let words = key.split(separator: "_")
    let rest = words.dropFirst().map { Self.abbreviations[String($0)] ?? $0.capitalized }
    stringValue = words.isEmpty ? key : words[0] + rest.joined()
  }

  init?(stringValue: String) {
    self.init(stringValue)
  }

  init?(intValue: Int) {
    nil
  }
}

/// Times as RFC 3339 writes them, in UTC and to the microsecond, as exactly as PostgreSQL keeps them.
package enum RFC3339 {
  package static func text(of date: Date) -> String {
    let microseconds = Int64((date.timeIntervalSince1970 * 1_000_000).rounded())
    let seconds = Int64((Double(microseconds) / 1_000_000).rounded(.down))
    let fraction = microseconds - seconds * 1_000_000
    let whole = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
    let digits = String(fraction)
    return whole.dropLast() + "." + String(repeating: "0", count: 6 - digits.count) + digits + "Z"
  }

  /// Reads a time, strictly: `2026-03-01T09:30:00Z`, with or without a fraction, with `Z` or an offset.
  ///
  /// - Parameter text: The time.
  /// - Returns: The time between the years 1 and 9999, to the microsecond; nil for anything else, a time without zone
  ///   and a day that no calendar has included.
  package static func date(from text: String) -> Date? {
    var rest = Substring(text)
    func number(_ digits: Int, before mark: String = "") -> Int? {
      let part = rest.prefix(digits)
      guard part.utf8.count == digits, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      rest = rest.dropFirst(digits)
      guard mark.isEmpty || rest.first.map({ mark.contains($0) }) == true else { return nil }
      rest = rest.dropFirst(mark.isEmpty ? 0 : 1)
      return Int(part)
    }
    guard let year = number(4, before: "-"), let month = number(2, before: "-"), let day = number(2, before: "Tt"),
      let hour = number(2, before: ":"), let minute = number(2, before: ":"), let second = number(2)
    else { return nil }
    var microseconds = 0
    if rest.first == "." {
      let digits = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
      // As an integer: 0.000249 × 1,000,000 is less than 249.
      let six = digits.prefix(6) + String(repeating: "0", count: max(0, 6 - digits.count))
      guard (1...32).contains(digits.count), let number = Int(six) else { return nil }
      microseconds = number
      rest = rest.dropFirst(digits.count + 1)
    }
    var offset = 0
    if rest == "Z" || rest == "z" {
      rest = ""
    } else {
      guard let sign = ["+": 1, "-": -1][String(rest.prefix(1))] else { return nil }
      rest = rest.dropFirst()
      guard let hours = number(2, before: ":"), let minutes = number(2), hours < 24, minutes < 60 else { return nil }
      offset = sign * (hours * 3_600 + minutes * 60)
    }
    let isLeap = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    // A leap second is the second after: PostgreSQL counts none.
    guard rest.isEmpty, (1...9_999).contains(year), (1...12).contains(month), (1...lengths[month - 1]).contains(day),
      hour < 24, minute < 60, second <= 60
    else { return nil }
    let before = year - 1
    let days =
      before * 365 + before / 4 - before / 100 + before / 400 + lengths.prefix(month - 1).reduce(0, +) + day - 1
      - 719_162
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
    guard (-62_135_596_800...253_402_300_799).contains(seconds) else { return nil }
    // Added apart, as a column's time is made, so that both are equal.
    return Date(timeIntervalSince1970: Double(seconds)).addingTimeInterval(Double(microseconds) / 1_000_000)
  }
}

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

  package static func date(from text: String) -> Date? {
    guard let dot = text.firstIndex(of: ".") else { return try? Date(text, strategy: .iso8601) }
    let tail = text[text.index(after: dot)...]
    let digits = tail.prefix { $0.isASCII && $0.isNumber }
    guard !digits.isEmpty, let fraction = Double("0." + digits) else { return nil }
    let whole = String(text[..<dot]) + tail.dropFirst(digits.count)
    return (try? Date(whole, strategy: .iso8601))?.addingTimeInterval(fraction)
  }
}

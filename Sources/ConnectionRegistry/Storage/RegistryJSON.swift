public import Foundation

/// JSON as the API and the commands write it: snake_case, RFC 3339 times in UTC with microseconds, sorted keys.
public enum RegistryJSON {
  /// An encoder of the house's form.
  ///
  /// - Parameter pretty: whether to spread the document over lines.
  /// - Returns: a new encoder.
  public static func encoder(pretty: Bool = false) -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
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
    decoder.keyDecodingStrategy = .convertFromSnakeCase
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

import Foundation

/// A short note of the team's about an app user or a connection: a key and a value.
public struct Tag: Sendable, Hashable, Codable {
  /// How many tags one thing can have.
  public static let maximumCount = 32

  /// What is noted: 1 to 64 of `a-z`, `0-9`, `_`, `-`, `.`, beginning with a letter.
  public var key: String
  /// The note, up to 256 characters.
  public var value: String

  /// Creates a tag.
  ///
  /// - Parameters:
  ///   - key: what is noted.
  ///   - value: the note.
  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }

  /// Reads what the database gives for a thing's tags.
  static func map(column: String?) throws -> [String: String] {
    guard let column else { return [:] }
    return try JSONDecoder().decode([String: String].self, from: Data(column.utf8))
  }

  static func check(key: String) throws(RegistryError) {
    let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
    guard (1...64).contains(key.utf8.count), key.utf8.first.map(letters.contains) == true,
      key.utf8.allSatisfy({ letters.contains($0) || (0x30...0x39).contains($0) || "_-.".utf8.contains($0) })
    else { throw RegistryError.invalid("tags", "a key is 1 to 64 of a-z, 0-9, _, -, ., beginning with a letter") }
  }

  static func check(value: String) throws(RegistryError) {
    guard value.unicodeScalars.count <= 256, !value.utf8.contains(0) else {
      throw RegistryError.invalid("tags", "a value has up to 256 characters, none of them NUL")
    }
  }
}

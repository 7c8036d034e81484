/// What a person writes down beside an act: who, and why.
enum Words {
  /// The longest, in bytes.
  static let maximum = 1_024

  /// Makes sure that words can be stored and printed on a line.
  ///
  /// - Throws: `invalid_request` with the field's name.
  static func check(_ words: String, field: String) throws {
    guard !words.isEmpty, words.utf8.count <= maximum, !words.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      throw RegistryError.invalid(field, "1 to 1,024 bytes without control characters")
    }
  }
}

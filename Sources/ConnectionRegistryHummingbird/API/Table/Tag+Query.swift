import ConnectionRegistry

extension Tag {
  /// Reads a tag of a query: its key, `=`, its value.
  ///
  /// - Parameter text: Such as `plan=pro`; the value may be empty.
  init?(query text: String) {
    guard let mark = text.firstIndex(of: "=") else { return nil }
    let (key, value) = (String(text[..<mark]), String(text[text.index(after: mark)...]))
    guard (1...64).contains(key.utf8.count), APISchema.isTagName(key), value.unicodeScalars.count <= 256,
      !value.utf8.contains(0)
    else { return nil }
    self.init(key: key, value: value)
  }
}

/// The members of one JSON object, read with errors that name the member.
struct JSONFields {
  let members: [String: JSONValue]
  /// The path of the object, with a dot at its end: `user.`; empty for the document itself.
  let path: String

  /// - Throws: ``TerraEventError`` (`wrongType`) when `value` is no object.
  init(_ value: JSONValue, path: String = "") throws(TerraEventError) {
    guard case .object(let members) = value else {
      let name = path.isEmpty ? "the body" : path
      throw TerraEventError(.wrongType, field: name, expected: "an object", found: value.kindInWords)
    }
    self.members = members
    self.path = path.isEmpty ? "" : path + "."
  }

  /// The text of a member; nil when it is absent, null or empty.
  ///
  /// - Throws: ``TerraEventError``: `wrongType` for another kind of value, `tooLong` past `limit` bytes of UTF-8,
  ///   `unusableText` for NUL or half a surrogate pair, neither of which a database can keep.
  func text(_ name: String, limit: Int = .max) throws(TerraEventError) -> String? {
    switch members[name] {
    case nil, .null: return nil
    case .string(let text):
      try check(text, name, limit)
      return text.isEmpty ? nil : text
    case .unpairedSurrogate:
      throw TerraEventError(.unusableText, field: path + name, problem: "holds half a surrogate pair")
    case .some(let other):
      throw TerraEventError(.wrongType, field: path + name, expected: "a string or null", found: other.kindInWords)
    }
  }

  /// Texts separated by commas: a member that is such a text, or an array of texts.
  func commaSeparated(_ name: String) throws(TerraEventError) -> String? {
    guard case .array(let elements)? = members[name] else { return try text(name) }
    var texts: [String] = []
    for element in elements {
      guard let text = element.text else {
        throw TerraEventError(.wrongType, field: path + name, expected: "only strings", found: element.kindInWords)
      }
      try check(text, name, .max)
      texts.append(text)
    }
    return texts.isEmpty ? nil : texts.joined(separator: ",")
  }

  /// A boolean member; nil when it is absent or null.
  func bool(_ name: String) throws(TerraEventError) -> Bool? {
    switch members[name] {
    case nil, .null: return nil
    case .bool(let bool): return bool
    case .some(let other):
      throw TerraEventError(.wrongType, field: path + name, expected: "a boolean or null", found: other.kindInWords)
    }
  }

  /// The members of an object member; nil when it is absent or null.
  func object(_ name: String) throws(TerraEventError) -> JSONFields? {
    switch members[name] {
    case nil, .null: return nil
    case .some(let value): return try JSONFields(value, path: path + name)
    }
  }

  private func check(_ text: String, _ name: String, _ limit: Int) throws(TerraEventError) {
    guard text.utf8.count <= limit else {
      throw TerraEventError(
        .tooLong, field: path + name, problem: "has \(text.utf8.count) bytes of UTF-8, at most \(limit) are allowed")
    }
    guard !text.utf8.contains(0) else {
      throw TerraEventError(.unusableText, field: path + name, problem: "holds a NUL character (U+0000)")
    }
  }
}

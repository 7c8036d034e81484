import ConnectionRegistry
import Foundation

extension APISchema {
  /// What a value has that its schema does not allow.
  struct Fault: Error, Hashable {
    /// The member, such as `filter.kinds.0`; empty for the value itself.
    var path: String
    /// What would be right, as a sentence.
    var sentence: String
  }

  /// Holds a value against the schema.
  ///
  /// - Parameter value: The value.
  /// - Throws: ``Fault`` for the first thing that does not fit. A member that the schema does not name does not fit:
  ///   with `reference-id` for `reference_id` a session would begin that belongs to nobody.
  func check(_ value: JSONNode) throws(Fault) {
    try check(value, [])
  }

  private func check(_ value: JSONNode, _ path: [String]) throws(Fault) {
    func fault(_ sentence: String, _ name: String? = nil) -> Fault {
      Fault(path: (path + [name].compactMap { $0 }).joined(separator: "."), sentence: sentence)
    }
    switch (form, value) {
    case (.anything, _): break
    case (.nullable, .null): break
    case (.constant(let only), _):
      guard value == only else { throw fault("The value must be \(inWords).") }
    case (.variants(let object, let variants), _):
      try object.check(value, path)
      guard case .object(let members) = value else { break }
      do {
        try Self.check(members, against: variants)
      } catch {
        throw fault(error.sentence, error.path)
      }
    case (.nullable(let schema), _), (.named(_, let schema), _): try schema.check(value, path)
    case (.boolean, .boolean): break
    case (.number, .number), (.number, .integer): break
    case (.integer(let range), .integer(let number)):
      guard range.contains(number) else { throw fault(Self.sentence(of: range)) }
    case (.choice(let values), .text(let text)):
      guard values.contains(text) else { throw fault("The value must be one of \(values.joined(separator: ", ")).") }
    case (.text(let length, let format), .text(let text)):
      if let sentence = Self.complaint(text, length, format) { throw fault(sentence) }
    case (.list(let element, let count), .list(let elements)):
      guard count.contains(elements.count) else { throw fault(Self.sentence(of: count, "elements")) }
      for (index, value) in elements.enumerated() { try element.check(value, path + [String(index)]) }
    case (.map(let names, let values, let count), .object(let members)):
      guard count.contains(members.count) else { throw fault(Self.sentence(of: count, "members")) }
      for (name, value) in members.sorted(by: { $0.key < $1.key }) {
        let shown = String(name.prefix(64))
        do { try names.check(.text(name)) } catch { throw fault("As a name: \(error.sentence)", shown) }
        try values.check(value, path + [shown])
      }
    case (.object(let known), .object(let members)):
      if let unknown = members.keys.sorted().first(where: { name in !known.contains { $0.name == name } }) {
        let names = known.map(\.name).joined(separator: ", ")
        throw fault(
          "The object takes \(names.isEmpty ? "no members" : names), and nothing else.", String(unknown.prefix(64)))
      }
      for member in known {
        if let value = members[member.name] {
          try member.schema.check(value, path + [member.name])
        } else if member.isRequired {
          throw fault("The field is required.", member.name)
        }
      }
    default: throw fault("The value must be \(inWords).")
    }
  }

  /// Reads the text of a query, a path or a header as a value of the schema.
  ///
  /// - Parameter text: The decoded text.
  /// - Returns: The value; text where the schema is of another kind and the text cannot be read so.
  func value(ofText text: String) -> JSONNode {
    switch form {
    case .integer: Int64(text).map(JSONNode.integer) ?? .text(text)
    case .number: Double(text).map(JSONNode.number) ?? .text(text)
    case .boolean: ["true": .boolean(true), "false": .boolean(false)][text] ?? .text(text)
    case .list(let element, _):
      .list(
        text.split(separator: ",", omittingEmptySubsequences: false).map { element.value(ofText: String($0)) })
    case .nullable(let schema), .named(_, let schema): schema.value(ofText: text)
    default: .text(text)
    }
  }

  private static func complaint(_ text: String, _ length: ClosedRange<Int>, _ format: TextFormat?) -> String? {
    switch format {
    case .uuid where UUID(uuidString: text) == nil:
      return "The value must be an id such as 01939f6e-7a1c-7c3e-9d2f-5b8a4e6f0c11."
    case .time where RFC3339.date(from: text) == nil:
      return "The value must be a time with its zone, such as 2026-03-01T09:30:00Z (RFC 3339)."
    case .withoutComma where text.contains(","): return "The value must not hold a comma."
    case .withoutNUL where text.utf8.contains(0), .withoutComma where text.utf8.contains(0):
      return "The value must not hold NUL."
    case .line where text.utf8.contains { $0 < 0x20 || $0 == 0x7F }:
      return "The value must be one line without control characters."
    case .printable where !text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }):
      return "The value must be printable ASCII without spaces."
    case .headerText where !text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }):
      return "The value must be printable ASCII."
    case .hexadecimal where !text.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }):
      return "The value must be hexadecimal digits in lower case."
    case .channel where !text.utf8.allSatisfy({ "abcdefghijklmnopqrstuvwxyz0123456789_-".utf8.contains($0) }):
      return "The value must be lower-case letters, digits, _ and -."
    case .tagName where !isTagName(text):
      return "Lower-case letters, digits, _, - and ., beginning with a letter."
    case .tag where Tag(query: text) == nil:
      return "The value must be key=value; a key is lower-case letters, digits, _, - and ., beginning with a letter."
    default: break
    }
    guard length.contains(text.unicodeScalars.count) else { return sentence(of: length, "characters") }
    return nil
  }

  static func isTagName(_ text: String) -> Bool {
    guard let first = text.utf8.first, (0x61...0x7a).contains(first) else { return false }
    return text.utf8.allSatisfy { byte in
      (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || "_-.".utf8.contains(byte)
    }
  }

  private static func sentence(of count: ClosedRange<Int>, _ what: String) -> String {
    count.upperBound == .max
      ? "The value must have at least \(count.lowerBound) \(what)."
      : "The value must have \(count.lowerBound) to \(count.upperBound) \(what)."
  }

  private static func sentence(of range: ClosedRange<Int64>) -> String {
    range.upperBound == .max
      ? "The value must be a whole number from \(range.lowerBound)."
      : "The value must be a whole number from \(range.lowerBound) to \(range.upperBound)."
  }

  /// What kind of value it is, after "must be".
  var inWords: String {
    switch form {
    case .text, .choice: "text"
    case .integer: "a whole number"
    case .number: "a number"
    case .boolean: "true or false"
    case .list(let element, _): "a list, each element \(element.inWords)"
    case .object, .map: "a JSON object"
    case .nullable(let schema): "\(schema.inWords) or null"
    case .constant(let value): (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "JSON"
    case .variants(let object, _): object.inWords
    case .named(_, let schema): schema.inWords
    case .anything: "JSON"
    }
  }
}

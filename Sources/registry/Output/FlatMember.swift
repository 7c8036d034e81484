/// One line of a value that was taken apart, for a spreadsheet or a data frame: lines with one section and item belong
/// together.
struct FlatMember {
  static let header = ["section", "item", "key", "value"]

  /// Which part of the value it is from: `run`, `latency.buckets`.
  var section: String
  /// Which of a list, from 1 on; nil outside of lists.
  var item: Int?
  var key: String
  var value: String

  /// The record, with its end of line.
  var line: String { CSV.line([section, item.map { "\($0)" } ?? "", key, value]) }

  /// All members of an object, in its parts and in lists of them: single ones first, then part by part.
  ///
  /// - Parameters:
  ///   - value: The object.
  ///   - section: What its own members belong to.
  /// - Returns: The lines. A list that is empty has none.
  static func all(of value: JSONValue, section: String) -> [FlatMember] {
    all(of: value, section: section, below: "")
  }

  private static func all(of value: JSONValue, section: String, below path: String) -> [FlatMember] {
    guard case .object(let members) = value else { return [] }
    var (own, parts): ([FlatMember], [FlatMember]) = ([], [])
    for (name, member) in members.sorted(by: { $0.key < $1.key }) {
      switch member {
      case .object: parts += all(of: member, section: path + name, below: path + name + ".")
      case .array(let items):
        for (number, item) in zip(1..., items) { parts += Self.items(item, number, section, path, name) }
      default: own.append(FlatMember(section: section, item: nil, key: name, value: member.cell))
      }
    }
    return own + parts
  }

  private static func items(
    _ item: JSONValue, _ number: Int, _ section: String, _ path: String, _ name: String
  ) -> [FlatMember] {
    guard case .object(let members) = item else {
      return [FlatMember(section: section, item: number, key: name, value: item.cell)]
    }
    return members.sorted { $0.key < $1.key }.map {
      FlatMember(section: path + name, item: number, key: $0, value: $1.cell)
    }
  }
}

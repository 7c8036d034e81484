public import ArgumentParser
public import ConnectionRegistry

extension Tag: ExpressibleByArgument {
  /// Reads `key=value`; the value may be empty, or hold further `=`.
  public init?(argument: String) {
    guard let mark = argument.firstIndex(of: "=") else { return nil }
    self.init(key: String(argument[..<mark]), value: String(argument[argument.index(after: mark)...]))
  }
}

/// Which tags to set and which to take away.
struct TagOptions: ParsableArguments {
  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp("A tag to set; may be repeated.", valueName: "key=value"))
  var set: [Tag] = []

  @Option(
    name: .customLong("remove"), parsing: .singleValue,
    help: ArgumentHelp("The key of a tag to take away; may be repeated.", valueName: "key"))
  var remove: [String] = []

  func validate() throws {
    let keys = set.map(\.key) + remove
    guard !keys.isEmpty else { throw ValidationError("Give --set key=value or --remove key.") }
    guard Set(keys).count == keys.count else { throw ValidationError("Name each key once.") }
  }

  /// By key the value to set; nil takes the tag away.
  var changes: [String: String?] {
    Dictionary(uniqueKeysWithValues: set.map { ($0.key, $0.value) } + remove.map { ($0, nil) })
  }
}

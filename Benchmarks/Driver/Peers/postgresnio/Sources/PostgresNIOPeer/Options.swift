import Foundation

/// What the orchestrator says, `--name value` by `--name value`.
struct Options: Sendable {
  private var values: [String: String] = [:]

  init(_ arguments: [String]) {
    var rest = arguments[...]
    while let name = rest.popFirst(), let value = rest.popFirst() { values[name] = value }
  }

  subscript(name: String) -> String { values["--" + name] ?? "" }
  func number(_ name: String) -> Double { Double(self[name]) ?? 0 }

  /// A word of the connection string `host=… user=…`.
  func connection(_ name: String) -> String {
    for word in self["connection"].split(separator: " ") where word.hasPrefix(name + "=") {
      return String(word.dropFirst(name.count + 1))
    }
    return ""
  }
}

import Foundation

/// One column of a list: which member of an item it shows, and how.
struct Column: Sendable {
  /// What a cell means to the eye.
  enum Kind: Sendable {
    case text
    case time
    case count
    case seconds
    case severity
    case status
  }

  let header: String
  let path: String
  let kind: Kind

  /// Makes a column.
  ///
  /// - Parameters:
  ///   - path: The member of the item's JSON, with dots for members of members.
  ///   - header: What stands above it; without one the path.
  ///   - kind: What its cells mean.
  init(_ path: String, header: String? = nil, _ kind: Kind = .text) {
    self.path = path
    self.header = header ?? path.replacing("_", with: " ")
    self.kind = kind
  }

  var alignment: TableLayout.Alignment {
    switch kind {
    case .count, .seconds: .trailing
    default: .leading
    }
  }

  /// The cell of an item, for people.
  func cell(of item: JSONValue) -> String {
    let text = item[path: path].cell
    switch kind {
    case .time: return Self.shortTime(text)
    case .seconds: return item[path: path] == .null ? "" : Self.age(seconds: Double(text) ?? 0)
    default: return StandardOutput.printable(text)
    }
  }

  /// The cell in colour.
  func coloured(_ cell: String) -> String {
    let code: String? =
      switch (kind, cell) {
      case (.severity, "critical"), (.status, "failed"): "1;31"
      case (.severity, "warning"), (.status, "degraded"), (.status, "partial"), (.status, "expired"): "33"
      case (.status, "active"), (.status, "completed"), (.status, "complete"), (.status, "corroborated"): "32"
      default: nil
      }
    return code.map { "\u{1b}[\($0)m\(cell)\u{1b}[0m" } ?? cell
  }

  /// `2026-11-21T03:05:58.123456Z` to the second, with a blank for the `T`.
  static func shortTime(_ text: String) -> String {
    guard text.utf8.count >= 20, text.utf8.last == UInt8(ascii: "Z") else { return StandardOutput.printable(text) }
    return text.prefix(19).replacing("T", with: " ") + "Z"
  }

  /// Seconds in the two greatest units that fit: `3d 4h`, `12m 5s`.
  static func age(seconds: Double) -> String {
    let seconds = Int(seconds.rounded(.down).clamped(to: 0...1e15))
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
    let first = units.firstIndex { seconds >= $0.1 } ?? 3
    let greatest = "\(seconds / units[first].1)\(units[first].0)"
    guard first < 3 else { return greatest }
    let rest = seconds % units[first].1 / units[first + 1].1
    return rest == 0 ? greatest : "\(greatest) \(rest)\(units[first + 1].0)"
  }
}

extension Comparable {
  fileprivate func clamped(to range: ClosedRange<Self>) -> Self { min(max(self, range.lowerBound), range.upperBound) }
}

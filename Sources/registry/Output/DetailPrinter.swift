/// Prints one object with everything that belongs to it: its members, then a table for each list inside it.
struct DetailPrinter {
  let output: any TextOutput
  let format: OutputFormat

  init(_ output: any TextOutput, _ format: OutputFormat) {
    self.output = output
    self.format = format
  }

  /// Prints a value.
  ///
  /// - Parameters:
  ///   - value: What the registry answered.
  ///   - name: What CSV calls the members that belong to no part, where it takes a line for each; without it CSV is
  ///     one line, with a column for each member.
  /// - Throws: `EncodingError`, ``OutputError``.
  func print(_ value: some Encodable, inSections name: String? = nil) throws {
    let value = try JSONValue(encoding: value)
    switch format {
    case .json: try output.line(value.pretty)
    case .ndjson: try output.line(value.compact)
    case .csv:
      if let name {
        try output.write(CSV.line(FlatMember.header))
        for member in FlatMember.all(of: value, section: name) { try output.write(member.line) }
      } else {
        let members = Self.columns(of: value)
        try output.write(CSV.line(members.map(\.name)) + CSV.line(members.map(\.value)))
      }
    case .table: try section(value, indent: "")
    }
  }

  private func section(_ value: JSONValue, indent: String) throws {
    guard case .object(let members) = value else { return try output.line(indent + value.cell) }
    let scalars = Self.scalars(of: value)
    let layout = TableLayout(rows: scalars.map { [$0.name] }, alignments: [.leading])
    for (name, text) in scalars where !text.isEmpty {
      let padding = layout.padding(after: name)
      try output.line(indent + name.replacing("_", with: " ") + padding + "  " + StandardOutput.printable(text))
    }
    for (name, member) in members.sorted(by: { $0.key < $1.key }) where !Self.isInline(member) {
      try output.line()
      try output.line(indent + name.replacing("_", with: " "))
      switch member {
      case .array(let items) where items.isEmpty: try output.line(indent + "  none")
      case .array(let items): try table(items, indent: indent + "  ")
      default: try section(member, indent: indent + "  ")
      }
    }
  }

  private func table(_ items: [JSONValue], indent: String) throws {
    var paths: [String] = []
    for case .object(let members) in items {
      for name in members.keys.sorted() where !paths.contains(name) { paths.append(name) }
    }
    let columns = paths.map { Column($0) }.filter { column in items.contains { $0[path: column.path].cell != "" } }
    let rows = items.map { item in columns.map { $0.cell(of: item) } }
    let layout = TableLayout(
      rows: [columns.map(\.header)] + rows, alignments: columns.map { _ in .leading })
    for row in [columns.map(\.header)] + rows { try output.line(indent + layout.line(row)) }
  }

  /// Every member as a column, those of objects inside it by their paths; what is a list of objects as JSON.
  private static func columns(of value: JSONValue, below path: String = "") -> [(name: String, value: String)] {
    guard case .object(let members) = value else { return [] }
    return members.sorted { $0.key < $1.key }.flatMap { name, member in
      if case .object = member { return columns(of: member, below: path + name + ".") }
      return [(path + name, member.cell)]
    }
  }

  private static func isInline(_ value: JSONValue) -> Bool {
    if case .array(let items) = value { return !items.isEmpty && items.allSatisfy(\.isScalar) }
    return value.isScalar
  }

  private static func scalars(of value: JSONValue) -> [(name: String, value: String)] {
    guard case .object(let members) = value else { return [] }
    return members.filter { isInline($0.value) }.map { ($0.key, $0.value.cell) }.sorted { $0.0 < $1.0 }
  }
}

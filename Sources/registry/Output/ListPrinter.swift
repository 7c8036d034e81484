import ConnectionRegistry

/// Prints a list page by page, so that a long one takes no more memory than a page.
struct ListPrinter {
  let output: StandardOutput
  let format: OutputFormat
  let columns: [Column]
  /// What to say in a table that has no rows.
  var empty = "Nothing to show."

  private var layout: TableLayout?
  private var count = 0

  init(_ output: StandardOutput, _ format: OutputFormat, columns: [Column], empty: String = "Nothing to show.") {
    self.output = output
    self.format = format
    self.columns = columns
    self.empty = empty
  }

  /// Prints a list that is at hand as a whole.
  ///
  /// - Parameter items: The rows.
  /// - Throws: `EncodingError`, ``OutputError``.
  mutating func print(_ items: [some Encodable]) throws {
    let values = try items.map { try JSONValue(encoding: $0) }
    if format == .json { try output.write(#"{"items":["#) }
    if format == .table { try table(values) } else { for value in values { try write(value) } }
    try finish(cursor: nil)
  }

  /// Prints the pages of a list.
  ///
  /// - Parameters:
  ///   - options: How many rows, and from where.
  ///   - fetch: Answers one page.
  ///   - visit: Sees each item, printed or not.
  /// - Throws: What `fetch` throws, and ``OutputError``.
  mutating func print<Item: Encodable & Sendable>(
    _ options: PageOptions, fetch: (Page) async throws -> Listed<Item>, visit: (JSONValue) -> Void = { _ in }
  ) async throws {
    var cursor = options.cursor
    var left = options.all ? Int.max : options.limit
    if format == .json { try output.write(#"{"items":["#) }
    repeat {
      let page = try await fetch(Page(limit: min(left, PageOptions.pageSize), cursor: cursor))
      for item in page.items {
        let value = try JSONValue(encoding: item)
        visit(value)
        if format != .table { try write(value) }
      }
      if format == .table { try table(page.items.map { try JSONValue(encoding: $0) }) }
      left -= page.items.count
      cursor = page.nextCursor
    } while cursor != nil && left > 0
    try finish(cursor: cursor)
  }

  private mutating func write(_ item: JSONValue) throws {
    switch format {
    case .json: try output.write((count == 0 ? "\n  " : ",\n  ") + item.compact)
    case .ndjson: try output.line(item.compact)
    case .csv:
      if count == 0 { try csvHeader() }
      try output.write(CSV.line(columns.map { item[path: $0.path].cell }))
    case .table: break
    }
    count += 1
  }

  private func csvHeader() throws {
    try output.write(CSV.line(columns.map(\.path)))
  }

  private mutating func table(_ items: [JSONValue]) throws {
    guard !items.isEmpty else { return }
    let rows = items.map { item in columns.map { $0.cell(of: item) } }
    let layout = layout ?? TableLayout(rows: [columns.map(\.header)] + rows, alignments: columns.map(\.alignment))
    if self.layout == nil {
      try output.line(
        layout.line(columns.map(\.header)) { _, cell in
          output.isColoured ? "\u{1b}[1m\(cell)\u{1b}[0m" : cell
        })
    }
    self.layout = layout
    for row in rows {
      try output.line(layout.line(row) { column, cell in output.isColoured ? columns[column].coloured(cell) : cell })
    }
    count += items.count
  }

  private func finish(cursor: String?) throws {
    switch format {
    case .json:
      let next = cursor.map { JSONValue.string($0).compact } ?? "null"
      try output.line("\(count == 0 ? "" : "\n")],\"next_cursor\":\(next)}")
    case .csv where count == 0: try csvHeader()
    case .table where count == 0: try output.line(empty)
    case .table:
      if let cursor { try output.line("… and more: --all, or --cursor \(cursor)") }
    default: break
    }
  }
}

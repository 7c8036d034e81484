import ConnectionRegistry
import Foundation

/// Prints a list page by page, so that a long one takes no more memory than a page.
struct ListPrinter {
  let output: any TextOutput
  let format: OutputFormat
  let columns: [Column]
  /// What to say in a table that has no rows.
  var empty = "Nothing to show."

  private let encoder = RegistryJSON.encoder()
  private var layout: TableLayout?
  private var count = 0

  init(_ output: any TextOutput, _ format: OutputFormat, columns: [Column], empty: String = "Nothing to show.") {
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

  /// Prints the pages of a list, as long as somebody reads them.
  ///
  /// - Parameters:
  ///   - options: How many rows, and from where.
  ///   - fetch: Answers one page.
  /// - Throws: What `fetch` throws, and ``OutputError``, but not that the reader has gone.
  mutating func print<Item: Encodable & Sendable>(
    _ options: PageOptions, fetch: (Page) async throws -> Listed<Item>
  ) async throws {
    var cursor = options.cursor
    var left = options.all ? Int.max : options.limit
    var isRead = try OutputError.whileRead { if format == .json { try output.write(#"{"items":["#) } }
    repeat {
      guard isRead else { return }
      let page = try await fetch(Page(limit: min(left, PageOptions.pageSize), cursor: cursor))
      let values = try page.items.map { try JSONValue(encoding: $0) }
      left -= values.count
      cursor = page.nextCursor
      isRead = try OutputError.whileRead {
        if format == .table { try table(values) } else { for value in values { try write(value) } }
      }
    } while cursor != nil && left > 0
    if isRead { try OutputError.whileRead { try finish(cursor: cursor) } }
  }

  /// Prints items as they come, in constant memory; not as a table, whose columns are as wide as its rows.
  ///
  /// - Parameter items: The rows.
  /// - Returns: How many there were.
  /// - Throws: What the sequence throws, and ``OutputError``.
  mutating func print<Items: AsyncSequence>(each items: Items) async throws -> Int where Items.Element: Encodable {
    if format == .json { try output.write(#"{"items":["#) }
    for try await item in items { try write(item) }
    try finish(cursor: nil)
    return count
  }

  private mutating func write(_ item: some Encodable) throws {
    switch format {
    case .json: try output.write((count == 0 ? "\n  " : ",\n  ") + text(of: item))
    case .ndjson: try output.line(text(of: item))
    case .csv:
      if count == 0 { try csvHeader() }
      let value = try item as? JSONValue ?? JSONValue(encoding: item)
      try output.write(CSV.line(columns.map { value[path: $0.path].cell }))
    case .table: break
    }
    count += 1
  }

  private func text(of item: some Encodable) throws -> String {
    String(decoding: try encoder.encode(item), as: UTF8.self)
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

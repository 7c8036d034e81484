/// Rows of text in aligned columns.
struct TableLayout: Sendable {
  /// How a column reads.
  enum Alignment: Sendable {
    case leading
    case trailing
  }

  private let alignments: [Alignment]
  private var widths: [Int]

  /// Makes the layout for some rows; rows that come later may be wider and then stick out.
  ///
  /// - Parameters:
  ///   - rows: The header and the first rows.
  ///   - alignments: One per column.
  init(rows: [[String]], alignments: [Alignment]) {
    self.alignments = alignments
    widths = alignments.indices.map { column in
      rows.map { row in Self.width(of: row[column]) }.max() ?? 0
    }
  }

  /// One row as a line, without trailing blanks.
  ///
  /// - Parameters:
  ///   - cells: One text per column.
  ///   - style: Colours a cell after it was measured.
  /// - Returns: The line, without its end.
  func line(_ cells: [String], style: (_ column: Int, _ cell: String) -> String = { _, cell in cell }) -> String {
    var line = ""
    for (column, cell) in cells.enumerated() {
      let padding = String(repeating: " ", count: max(0, widths[column] - Self.width(of: cell)))
      let styled = style(column, cell)
      switch alignments[column] {
      case .leading: line += column == cells.count - 1 ? styled : styled + padding
      case .trailing: line += padding + styled
      }
      if column < cells.count - 1 { line += "  " }
    }
    while line.last == " " { line.removeLast() }
    return line
  }

  /// The blanks that fill the first column after a text.
  func padding(after text: String) -> String {
    String(repeating: " ", count: max(0, widths[0] - Self.width(of: text)))
  }

  /// How many columns of a terminal a text takes.
  static func width(of text: String) -> Int {
    text.reduce(0) { width, character in
      guard let scalar = character.unicodeScalars.first else { return width }
      return width + (isWide(scalar) ? 2 : 1)
    }
  }

  /// East Asian wide characters and emoji (Unicode Standard Annex 11), by their blocks.
  private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
      0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f900...0x1f9ff, 0x20000...0x3fffd:
      true
    default: false
    }
  }
}

/// Horizontal bars as an SVG, each with its number written beside it.
struct BarChart {
  /// One bar.
  struct Bar {
    var name: String
    var value: Int64
  }

  /// The bars of one label.
  struct Row {
    var label: String
    var bars: [Bar]
  }

  var rows: [Row]
  /// Whether a row's bars stand behind one another; else below one another.
  var isStacked: Bool
  /// In which order names get their colours; without it as they come.
  var order: [String] = []

  private static let colours = ["#3b7dd8", "#58a55c", "#e0a030", "#d0603a", "#8a4fa8"]
  private static let (labelWidth, barWidth, height) = (210.0, 560.0, 18.0)

  /// The chart with its legend.
  var svg: String {
    let names = order.isEmpty ? rows.first?.bars.map(\.name) ?? [] : order
    let greatest =
      rows.map { row in
        isStacked ? row.bars.reduce(0) { $0 + $1.value } : row.bars.map(\.value).max() ?? 0
      }.max() ?? 0
    let scale = Self.barWidth / Double(max(greatest, 1))
    var (body, y) = ("", 4.0)
    if names.count > 1 {
      var x = 0.0
      for (number, name) in names.enumerated() {
        body +=
          Self.rectangle(x, y, 12, Self.colours[number % Self.colours.count], height: 12)
          + Self.text(x + 17, y + 11, name)
        x += 34 + 7.5 * Double(name.count)
      }
      y += 26
    }
    for row in rows {
      body += Self.text(0, y + 13, row.label)
      var x = Self.labelWidth
      for bar in row.bars {
        let width = Double(bar.value) * scale
        let colour = Self.colours[(names.firstIndex(of: bar.name) ?? 0) % Self.colours.count]
        body += Self.rectangle(
          x, y, width, colour, height: Self.height - 4, title: "\(row.label), \(bar.name): \(bar.value)")
        if isStacked {
          x += width
        } else {
          body += Self.text(x + width + 6, y + 12, "\(bar.value)")
          y += Self.height
        }
      }
      if isStacked {
        body += Self.text(x + 6, y + 12, "\(row.bars.reduce(0) { $0 + $1.value })")
        y += Self.height
      }
      y += 6
    }
    let width = Self.labelWidth + Self.barWidth + 80
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(y)" viewBox="0 0 \(width) \(y)" role="img">\
      \(body)</svg>
      """
  }

  private static func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ colour: String, height: Double, title: String = ""
  ) -> String {
    let title = title.isEmpty ? "" : "<title>\(ReportPage.escape(title))</title>"
    return """
      <rect x="\(x)" y="\(y)" width="\(max(width, 1))" height="\(height)" fill="\(colour)">\(title)</rect>
      """
  }

  private static func text(_ x: Double, _ y: Double, _ text: String) -> String {
    "<text x=\"\(x)\" y=\"\(y)\">\(ReportPage.escape(text))</text>"
  }
}

import ConnectionRegistry

extension Listed {
  /// A page of a list of which one row more was asked for than the page holds.
  ///
  /// - Parameters:
  ///   - rows: The rows, up to one more than the limit.
  ///   - limit: How many rows the page holds.
  ///   - cursor: What the next page goes on after.
  init(_ rows: [Item], limit: Int, cursor: (Item) -> String) {
    let shown = Array(rows.prefix(limit))
    self.init(items: shown, nextCursor: rows.count > limit ? shown.last.map(cursor) : nil)
  }
}

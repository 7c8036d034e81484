/// Finds the ends of messages in one direction of a conversation with PostgreSQL.
///
/// A message is one byte of type and four of length, which count themselves; the client's first has no type
/// (PostgreSQL documentation, "Message Flow" and "Message Formats").
struct MessageFraming {
  private var header: [UInt8] = []
  private var hasType: Bool
  /// How much of the present message's body is still to come; `nil` inside its header.
  private var missing: Int?

  /// - Parameter beginsUntyped: whether the first message has no type, as the client's.
  init(beginsUntyped: Bool) {
    hasType = !beginsUntyped
  }

  /// Goes on from an index to the end of the present message, or of the bytes.
  /// - Returns: the index behind the last byte looked at, and the type of the message that ends there, if one does;
  ///   the untyped one has type 0.
  mutating func advance(_ bytes: [UInt8], from start: Int) -> (end: Int, type: UInt8?) {
    var index = start
    let headerLength = hasType ? 5 : 4
    while missing == nil, index < bytes.count {
      header.append(bytes[index])
      index += 1
      guard header.count == headerLength else { continue }
      missing = max(0, header.suffix(4).reduce(0) { $0 << 8 | Int($1) } - 4)
    }
    guard let missing else { return (index, nil) }
    let taken = min(missing, bytes.count - index)
    index += taken
    guard taken == missing else {
      self.missing = missing - taken
      return (index, nil)
    }
    let type = hasType ? header[0] : 0
    self.missing = nil
    header.removeAll(keepingCapacity: true)
    hasType = true
    return (index, type)
  }
}

import Foundation

/// Which part of a list is wanted.
public struct Page: Sendable, Hashable {
  /// The most rows that one page may have.
  public static let maximumLimit = 1_000

  /// How many rows at most.
  public var limit: Int
  /// Where the page before ended: its ``Listed/nextCursor``; nil begins at the start.
  public var cursor: String?

  /// Creates a page.
  ///
  /// - Parameters:
  ///   - limit: how many rows at most, 1 to ``maximumLimit``.
  ///   - cursor: the `nextCursor` of the page before.
  public init(limit: Int = 50, cursor: String? = nil) {
    self.limit = limit
    self.cursor = cursor
  }
}

/// One page of a list.
public struct Listed<Item: Sendable>: Sendable {
  /// The rows, in the list's order.
  public var items: [Item]
  /// What to ask with for the page after; nil at the end.
  public var nextCursor: String?

  /// Creates a page of results.
  ///
  /// - Parameters:
  ///   - items: the rows.
  ///   - nextCursor: where the next page begins, nil at the end.
  public init(items: [Item], nextCursor: String?) {
    self.items = items
    self.nextCursor = nextCursor
  }
}

extension Listed: Encodable where Item: Encodable {}
extension Listed: Decodable where Item: Decodable {}

/// A position in a list: the time and the id of the last row, so that rows written meanwhile move nothing.
struct Cursor: Sendable, Hashable {
  var at: Date
  var id: String

  /// The id as a uuid, for lists that are ordered by one.
  var uuid: UUID {
    get throws {
      guard let uuid = UUID(uuidString: id) else {
        throw RegistryError.invalid("cursor", "a cursor of another list: give the next_cursor of the page before")
      }
      return uuid
    }
  }
}

extension Listed {
  /// Makes a page of rows that were asked for with one more than its limit.
  init(_ rows: [Item], limit: Int, _ cursors: ListCursors, cursor: (Item) -> Cursor) {
    let items = Array(rows.prefix(limit))
    self.init(items: items, nextCursor: rows.count > limit ? items.last.map { cursors.text(of: cursor($0)) } : nil)
  }
}

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
  /// From the year 1 to the year 9999, in microseconds since 1970: what a row can hold.
  private static let storable: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999

  var at: Date
  var id: String

  init(at: Date, id: String) {
    self.at = at
    self.id = id
  }

  init?(page: Page) throws {
    guard (1...Page.maximumLimit).contains(page.limit) else {
      throw RegistryError.invalid("limit", "a page has 1 to \(Page.maximumLimit) rows")
    }
    guard let text = page.cursor else { return nil }
    let refused = RegistryError.invalid("cursor", "not a cursor: give the next_cursor of the page before, unchanged")
    guard let data = Data(base64Encoded: text.replacing("-", with: "+").replacing("_", with: "/")) else {
      throw refused
    }
    let parts = String(decoding: data, as: UTF8.self).split(separator: " ", maxSplits: 1)
    guard parts.count == 2, let microseconds = Int64(parts[0]), Self.storable.contains(microseconds),
      !parts[1].utf8.contains(0)
    else { throw refused }
    self.at = Date(timeIntervalSince1970: Double(microseconds) / 1_000_000)
    self.id = String(parts[1])
  }

  /// The id as a uuid, for lists that are ordered by one.
  var uuid: UUID {
    get throws {
      guard let uuid = UUID(uuidString: id) else {
        throw RegistryError.invalid("cursor", "a cursor of another list: give the next_cursor of the page before")
      }
      return uuid
    }
  }

  var text: String {
    let microseconds = Int64((at.timeIntervalSince1970 * 1_000_000).rounded())
    // URL-safe, and of a length that needs no padding.
    var plain = "\(microseconds) \(id)"
    while plain.utf8.count % 3 != 0 { plain = "0" + plain }
    return Data(plain.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
  }
}

extension Listed {
  /// Makes a page of rows that were asked for with one more than its limit.
  init(_ rows: [Item], limit: Int, cursor: (Item) -> Cursor) {
    let items = Array(rows.prefix(limit))
    self.init(items: items, nextCursor: rows.count > limit ? items.last.map { cursor($0).text } : nil)
  }
}

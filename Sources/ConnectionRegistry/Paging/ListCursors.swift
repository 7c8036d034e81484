import Foundation

/// The cursors of one list: positions that cannot be made up, and that hold for this list, this tenant and these
/// filters only.
///
/// A cursor is `version ‖ key id ‖ MAC ‖ microseconds ‖ id` in base64url. The MAC is an HMAC-SHA256 under a key derived
/// from the master key that sealed it, so cursors outlive a rotation for as long as the old key stays in the ring.
struct ListCursors: Sendable {
  private static let version: UInt8 = 1
  private static let headerLength = 1 + MasterKeyRing.tagLength + 8
  /// From the year 1 to the year 9999, in microseconds since 1970: what a row can hold.
  private static let storable: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999

  private let keyRing: MasterKeyRing
  /// What a cursor holds for beside its position.
  private let context: [UInt8]

  /// The cursors of a list.
  ///
  /// - Parameters:
  ///   - list: the list's name.
  ///   - tenantID: whose rows it holds.
  ///   - filter: what the rows were chosen by, each value as a text.
  ///   - keyRing: authenticates them.
  init(_ list: String, of tenantID: UUID, filter: [String?], keyRing: MasterKeyRing) {
    self.keyRing = keyRing
    context = Fingerprint.sha256(of: [list, tenantID.text] + filter.map { $0.map { "=" + $0 } ?? "" })
  }

  /// Where a page begins.
  ///
  /// - Parameter page: which page is wanted.
  /// - Returns: the position after which it begins; nil is the start.
  /// - Throws: `invalid_request` that says what to do: for a limit out of range, and for a cursor that is forged, of
  ///   another list, tenant, filter or version, or sealed with a key that is no longer in the ring.
  func position(of page: Page) throws(RegistryError) -> Cursor? {
    guard (1...Page.maximumLimit).contains(page.limit) else {
      throw RegistryError.invalid("limit", "a page has 1 to \(Page.maximumLimit) rows")
    }
    guard let text = page.cursor else { return nil }
    let refused = RegistryError.invalid(
      "cursor",
      "not a cursor of this list: give the next_cursor of the page before, unchanged and with the same filters")
    var base64 = text.replacing("-", with: "+").replacing("_", with: "/")
    base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
    guard text.utf8.count <= 2_048, !text.contains("="), let data = Data(base64Encoded: base64), let first = data.first
    else { throw refused }
    guard first == Self.version else {
      throw RegistryError.invalid("cursor", "a cursor of another version: begin again without a cursor")
    }
    let bytes = Array(data)
    guard bytes.count > Self.headerLength else { throw refused }
    let tag = Array(bytes[1..<(1 + MasterKeyRing.tagLength)])
    let position = Array(bytes[(1 + MasterKeyRing.tagLength)...])
    guard keyRing.holds(keyOf: tag) else {
      throw RegistryError.invalid(
        "cursor", "the key that this cursor was made with is no longer in use: begin again without a cursor")
    }
    guard keyRing.isAuthentic(tag, of: [Self.version] + context + position) else { throw refused }
    let microseconds = position.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
    guard Self.storable.contains(microseconds), let id = String(validating: position.dropFirst(8), as: UTF8.self),
      !id.utf8.contains(0)
    else { throw refused }
    return Cursor(at: Date(timeIntervalSince1970: Double(microseconds) / 1_000_000), id: id)
  }

  /// A position as it is given out.
  ///
  /// - Parameter cursor: the last row of a page.
  /// - Returns: the text, URL-safe.
  func text(of cursor: Cursor) -> String {
    let microseconds = Int64((cursor.at.timeIntervalSince1970 * 1_000_000).rounded())
    let position =
      (0..<8).map { UInt8(truncatingIfNeeded: microseconds >> (8 * (7 - $0))) } + Array(cursor.id.utf8)
    let tag = keyRing.authenticate([Self.version] + context + position)
    return Data([Self.version] + tag + position).base64EncodedString().replacing("+", with: "-")
      .replacing("/", with: "_").replacing("=", with: "")
  }
}

extension TenantDirectory {
  /// The cursors of one of a tenant's lists.
  func cursors(_ list: String, of tenantID: UUID, filter: [String?] = []) -> ListCursors {
    ListCursors(list, of: tenantID, filter: filter, keyRing: keyRing)
  }
}

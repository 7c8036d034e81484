import Foundation
import RegistryPostgres

/// A place in a tenant's change feed: behind a change.
struct ChangePosition: Sendable, Hashable {
  /// Before the first change.
  static let beginning = ChangePosition(position: 0, userID: "", sequence: 0)

  /// What orders the changes of different transactions.
  var position: Int64
  var userID: String
  var sequence: Int64

  init(position: Int64, userID: String, sequence: Int64) {
    self.position = position
    self.userID = userID
    self.sequence = sequence
  }

  init(row: PostgresRow) throws {
    self.init(
      position: try row.decode("position"), userID: try row.decode("user_id"), sequence: try row.decode("sequence"))
  }

  /// Reads a cursor that the registry gave to this tenant.
  ///
  /// - Throws: `invalid_request` for anything else.
  init(cursor: String, tenantID: UUID, keyRing: MasterKeyRing) throws {
    let refused = RegistryError.invalid("after", "not a cursor of this feed: give the cursor of a change, unchanged")
    guard cursor.utf8.count <= 2_048,
      let sealed = Data(base64Encoded: cursor.replacing("-", with: "+").replacing("_", with: "/")),
      let opened = try? keyRing.open(Array(sealed), tenantID: tenantID, purpose: .changeCursor)
    else { throw refused }
    let parts = String(decoding: opened, as: UTF8.self).split(
      separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let position = Int64(parts[0]), let sequence = Int64(parts[1]) else { throw refused }
    self.init(position: position, userID: parts[2].trimmingPadding, sequence: sequence)
  }

  /// The place as a text that nobody can make up, nor use for another tenant.
  func cursor(tenantID: UUID, keyRing: MasterKeyRing) throws -> String {
    // With what is put before it when it is sealed, a length that needs no padding in base64.
    var plain = "\(position) \(sequence) \(userID)"
    while (plain.utf8.count + MasterKeyRing.overhead) % 3 != 0 { plain += "\n" }
    let sealed = try keyRing.seal(Array(plain.utf8), tenantID: tenantID, purpose: .changeCursor)
    return Data(sealed).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
  }

  /// As statements take it.
  var parameters: [PostgresParameter] { [.int(position), .text(userID), .int(sequence)] }

  /// By what the place is known for one of somebody who was erased.
  func fence(_ tenantID: UUID) -> PostgresParameter { .bytes(ErasedSubject.userID(userID).digest(tenantID: tenantID)) }
}

extension Substring {
  fileprivate var trimmingPadding: String {
    String(self[..<(lastIndex { $0 != "\n" }.map(index(after:)) ?? startIndex)])
  }
}

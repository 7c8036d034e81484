import Foundation
import RegistryPostgres
import RegistrySQL

/// What somebody did by hand, or a run did unasked, written in the transaction that does it.
struct AuditEntry: Sendable {
  /// Who acts where the caller of the library names nobody.
  static let unnamed = "library"

  /// `key:` and the API key's id, or another name for who did it; `reconcile` for a run.
  var actor: String
  /// What was done, such as `app_user.merge`.
  var action: String
  /// The id of what it was done to.
  var subject: String
  var detail: [String: String] = [:]

  /// The statement that writes it.
  ///
  /// - Parameter tenantID: whose log it stands in.
  /// - Returns: the statement.
  func statement(tenantID: UUID) -> BoundStatement {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = (try? encoder.encode(detail)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    return RegistryStatements.auditEntryInsert(
      .uuid(tenantID), .uuid(.version7()), .text(actor), .text(action), .text(subject), .text(json))
  }
}

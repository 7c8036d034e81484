import Foundation
import RegistryPostgres
import RegistrySQL

/// What is to be noted about one thing: tags to set, and tags to take away.
struct TagChanges: Sendable {
  /// What can have tags.
  enum Subject: String {
    case appUser = "app_user"
    case connection
  }

  private let changes: [(key: String, value: String?)]

  /// Checks what a caller asks for.
  ///
  /// - Parameters:
  ///   - changes: by key the value to set; nil takes the tag away.
  ///   - tags: the tags that there are.
  /// - Throws: `invalid_request` for a key or value that cannot be one, `limit_reached` for too many.
  init(_ changes: [String: String?], of tags: [String: String]) throws(RegistryError) {
    var after = tags
    for (key, value) in changes {
      try Tag.check(key: key)
      if let value { try Tag.check(value: value) }
      after[key] = value
    }
    guard after.count <= Tag.maximumCount else {
      throw RegistryError(
        .limitReached, "a thing has at most \(Tag.maximumCount) tags: take others away", field: "tags")
    }
    self.changes = changes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  var isEmpty: Bool { changes.isEmpty }

  /// Locks what has the tags, changes them, and takes away what is to go; the second statement's count says whether the
  /// tags were as expected.
  ///
  /// - Parameters:
  ///   - tenantID: whose they are.
  ///   - type: what has the tags.
  ///   - id: its id.
  ///   - expected: the tags as the caller read them; nil changes them whatever they are.
  /// - Returns: three statements.
  func statements(tenantID: UUID, _ type: Subject, _ id: String, expected: [String: String]?) -> [BoundStatement] {
    let (tenant, subject) = (PostgresParameter.uuid(tenantID), PostgresParameter.text(id))
    let lock =
      type == .connection
      ? RegistryStatements.connectionLock(tenant, subject) : RegistryStatements.appUserLock(tenant, subject)
    return [
      lock,
      RegistryStatements.tagChange(
        tenant, .text(type.rawValue), subject, .textArray(changes.map(\.key)), .textArray(changes.map(\.value)),
        .text(expected.flatMap { try? String(decoding: JSONEncoder().encode($0), as: UTF8.self) })),
      RegistryStatements.tagClear(tenant, .text(type.rawValue), subject),
    ]
  }
}

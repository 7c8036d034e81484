import Foundation
import RegistryPostgres
import RegistrySQL

extension PersonSearch {
  /// Findings about what is theirs, and findings about others that rest on something of theirs.
  func findings(
    of scope: PersonScope, asOperator: Bool
  ) async throws -> (theirs: Set<UUID>, others: Set<UUID>) {
    let subjects = PostgresParameter.textArray(scope.findingSubjects)
    let limit = PostgresParameter.int(Self.page)
    var (theirs, others): (Set<UUID>, Set<UUID>) = ([], [])
    try await pages(asOperator: asOperator) {
      asOperator
        ? RegistryStatements.personFindingsPageForOperators(.uuid(tenantID), .uuid($0), limit, subjects)
        : RegistryStatements.personFindingsPage(.uuid(tenantID), .uuid($0), limit, subjects)
    } each: { row in
      let findingID = try row.decode("place", as: UUID.self)
      if try row.decode("is_theirs") {
        theirs.insert(findingID)
      } else if try row.decode("rests_on_them") {
        others.insert(findingID)
      }
    }
    return (theirs, others)
  }

  /// An entry of the audit.
  struct Audited: Sendable {
    var auditID: UUID
    var recordedAt: Date
    var actor: String
    var action: String
    var subject: String
    var detail: [String: String]
  }

  /// The entries of the audit that name them.
  func audit(of scope: PersonScope) async throws -> [Audited] {
    let names = PostgresParameter.textArray(scope.names + scope.sessions.map(\.text))
    var entries: [Audited] = []
    try await pages {
      RegistryStatements.personAuditPage(.uuid(tenantID), .uuid($0), .int(Self.page), names)
    } each: { row in
      guard try row.decode("may_be_theirs") else { return }
      let entry = Audited(
        auditID: try row.decode("place"), recordedAt: try row.decode("recorded_at"), actor: try row.decode("actor"),
        action: try row.decode("action"), subject: try row.decode("subject"),
        detail: try JSONDecoder().decode(
          [String: String].self, from: Data(try row.decode("detail", as: String.self).utf8)))
      let isTheirs =
        PersonalName(subjectOf: entry.action).map { scope.holds(entry.subject, as: $0) } ?? false
        || entry.detail.contains { member in
          PersonalName(member: member.key).map { scope.holds(member.value, as: $0) } ?? false
        }
      if isTheirs { entries.append(entry) }
    }
    return entries
  }
}

import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

extension AppUsers {
  /// Says that one app user is another: an anonymous one who has signed in. The other has its connections and sessions
  /// from now on, those too that facts name it for later.
  ///
  /// Its tags become the other's; where both have one, the other's own stays. No fact is rewritten: they keep the id that
  /// they name, and whoever reads looks up whose it is now. So it does not matter whether a fact comes before or after the
  /// merge. Merges may be repeated, and follow one another: who was merged into the first belongs to the second.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: who turned out to be another.
  ///   - target: who that is; where it was merged itself, whoever it was merged into.
  ///   - actor: who says so, for the audit.
  /// - Returns: the app user who has everything now.
  /// - Throws: `tenant_unknown`, `not_found` where one of the two was never named, `merge_conflict` where the first was
  ///   merged into somebody else before or the second into the first, `invalid_request` for one and the same,
  ///   `database_unavailable`.
  public func merge(
    tenant: String, _ referenceID: String, into target: String, by actor: String
  ) async throws -> AppUserDetail {
    guard referenceID != target else {
      throw RegistryError.invalid("into", "an app user cannot be merged into itself")
    }
    guard (try? ReferenceID(referenceID)) != nil, (try? ReferenceID(target)) != nil else {
      throw RegistryError.notFound("app user")
    }
    let id = try await directory.require(tenant).tenant.id
    let (tenantID, from, into) = (PostgresParameter.uuid(id), PostgresParameter.text(referenceID), target)
    let results = try await database.run(
      id,
      [
        RegistryStatements.appUserMergeBegin(tenantID),
        // Nobody changes its tags on their way.
        RegistryStatements.appUserLock(tenantID, from),
        RegistryStatements.appUserMergeInsert(tenantID, from, .text(into)),
        RegistryStatements.appUserMergeMoveOn(tenantID, from),
        RegistryStatements.appUserMergeTags(tenantID, from),
        RegistryStatements.appUserMergeTagsClear(tenantID, from),
        RegistryStatements.appUserMergeFind(tenantID, from, .text(into)),
        AuditEntry(
          actor: actor, action: "app_user.merge", subject: referenceID, detail: ["into": target]
        ).statement(tenantID: id),
      ])
    guard let row = results[6].rows.first, try row.decode("knows_source", as: Bool.self),
      try row.decode("knows_target", as: Bool.self)
    else { throw RegistryError.notFound("app user") }
    let now = try row.decode("target", as: String.self)
    guard let mergedInto = try row.decodeIfPresent("merged_into", as: String.self) else {
      throw RegistryError(
        .mergeConflict, "the other app user was merged into this one: the two are one already", field: "into")
    }
    guard mergedInto == now else {
      throw RegistryError(.mergeConflict, "this app user was merged into somebody else before", field: "into")
    }
    return try await show(tenant: tenant, now)
  }
}

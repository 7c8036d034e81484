import Foundation
import RegistryPostgres
import RegistrySQL

extension AppUsers {
  /// How many objects with bodies are read at once: a body has up to 256 KiB.
  private static let bodiesAtOnce = 8
  private static let rowsAtOnce = 200

  /// Gives out everything that is held about one app user and about those who were merged into it, as an erasure would take
  /// it out: app users with their tags, connections with their changes and corrections, sessions, events and receipts with
  /// bodies, callbacks, findings, deliveries with bodies, what Terra's listings said, and what was done by hand. Sealed
  /// tokens, hashes and answers that were kept for repetitions are left out, and so are others' deliveries and findings for
  /// operators.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - referenceID: the app user's id at the team.
  /// - Returns: the document; each part shows what was there when it was read.
  /// - Throws: `tenant_unknown`, `not_found`, `merge_conflict` for one who was merged into another: export that one;
  ///   `database_unavailable`.
  public func export(tenant: String, _ referenceID: String) async throws -> PersonExport {
    let entry = try await directory.require(tenant)
    let id = entry.tenant.id
    guard !referenceID.utf8.contains(0) else { throw RegistryError.notFound("app user") }
    let search = PersonSearch(database: database, tenantID: id)
    let (known, noted) = try await search.person(referenceID)
    guard known.mergedInto == nil else {
      throw RegistryError(.mergeConflict, "this app user was merged into another: export that one")
    }
    var before = noted
    before.referenceIDs.formUnion(known.referenceIDs)
    let scope = try await search.everything(of: referenceID, after: before)
    let connections = try await search.connections(among: scope.userIDs)
    guard scope.hasRows || !connections.isEmpty || !known.referenceIDs.isEmpty else {
      throw RegistryError.notFound("app user")
    }
    return PersonExport(parts: parts(of: scope, search, entry.tenant))
  }

  private func parts(of scope: PersonScope, _ search: PersonSearch, _ tenant: Tenant) -> [PersonExport.Part] {
    let id = PostgresParameter.uuid(tenant.id)
    let grace = PostgresParameter.double(timing.grace(of: tenant))
    let limit = PostgresParameter.int(Int(Int32.max))
    func each<ID: Sendable, Item: Encodable>(
      _ type: String, _ ids: [ID], by count: Int = Self.rowsAtOnce,
      _ statement: @escaping @Sendable (ID) -> BoundStatement,
      _ item: @escaping @Sendable (PostgresRow) throws -> Item
    ) -> [PersonExport.Part] {
      stride(from: 0, to: ids.count, by: count).map { start in
        let slice = Array(ids[start..<min(start + count, ids.count)])
        return {
          try await database.run(tenant.id, slice.map(statement))
            .flatMap { try $0.rows.map { try PersonExport.item(type, item($0)) } }
        }
      }
    }
    let (references, users) = (scope.referenceIDs.sorted().map(\.text), scope.userIDs.sorted().map(\.text))
    var parts: [PersonExport.Part] = []
    parts += each("app_user", references, { RegistryStatements.appUserShow(id, .text($0)) }, AppUser.init(row:))
    parts += each("connection", users, { RegistryStatements.connectionShow(id, .text($0)) }, Connection.init(row:))
    parts += each(
      "change", users, by: 1, { RegistryStatements.connectionChangeList(id, .text($0), limit) },
      ConnectionChange.init(row:))
    parts += each(
      "correction", users, by: 1, { RegistryStatements.correctionList(id, .text($0), limit) }, Correction.init(row:))
    parts += each(
      "session", scope.sessions.sorted(), { AuthSessions.one(id, grace: grace, $0) },
      { row in
        var session = try AuthSession(row: row)
        // Who holds the URL of an open session can connect in its app user's place.
        session.authURL = nil
        return session
      })
    parts += each(
      "callback", scope.callbacks.sorted(), { RedirectCallbacks.one(id, grace: grace, $0) },
      RedirectCallback.init(row:))
    parts += withBodies(
      "event", scope.events.sorted(), tenant.id,
      { [AuthEvents.one(id, $0), RegistryStatements.authEventBody(id, .uuid($0))] }
    ) { AuthEventDetail(event: try AuthEvent(row: $0), body: $1) }
    parts += withBodies(
      "receipt", scope.receipts.sorted(), tenant.id,
      { [WebhookReceipts.one(id, $0), RegistryStatements.webhookReceiptBody(id, .uuid($0))] }
    ) { WebhookReceiptDetail(receipt: try WebhookReceipt(row: $0), body: $1) }
    parts += users.map { userID in { try await deliveries(tenant.slug, about: userID) } }
    parts.append {
      let questions = try await search.findings(of: scope, asOperator: false).theirs.sorted().map {
        Findings.one(RegistryStatements.findingList, tenant.id, $0)
      }
      return try await database.run(tenant.id, questions).flatMap {
        try $0.rows.map { try PersonExport.item("finding", Finding(row: $0, tenant: tenant.slug)) }
      }
    }
    parts.append { try await listed(scope, search) }
    parts.append {
      try await search.audit(of: scope).map { entry in
        try PersonExport.item(
          "audit",
          AuditRecord(
            recordedAt: entry.recordedAt, actor: entry.actor, action: entry.action, subject: entry.subject,
            detail: entry.detail))
      }
    }
    return parts
  }

  private func listed(_ scope: PersonScope, _ search: PersonSearch) async throws -> [Data] {
    var items: [Data] = []
    try await search.listings(scope.references, scope.userIDs) { row in
      guard scope.userIDs.contains(ExactText(try row.decode("user_id"))) else { return }
      items.append(
        try PersonExport.item(
          "listed",
          ListedRecord(
            userID: row.decode("user_id"), referenceID: row.decodeIfPresent("reference_id"),
            resource: row.decodeIfPresent("resource"), scopes: row.decodeIfPresent("scopes"),
            active: row.decodeIfPresent("active"), askedAt: row.decode("asked_at"))))
    }
    return items
  }

  private func withBodies<Item: Encodable>(
    _ type: String, _ ids: [UUID], _ tenantID: UUID, _ statements: @escaping @Sendable (UUID) -> [BoundStatement],
    _ item: @escaping @Sendable (PostgresRow, String) throws -> Item
  ) -> [PersonExport.Part] {
    stride(from: 0, to: ids.count, by: Self.bodiesAtOnce).map { start in
      let slice = ids[start..<min(start + Self.bodiesAtOnce, ids.count)]
      return {
        let results = try await database.run(tenantID, slice.flatMap(statements))
        return try stride(from: 0, to: results.count - 1, by: 2).compactMap { index in
          guard let row = results[index].rows.first, let kept = results[index + 1].rows.first else { return nil }
          let body = String(decoding: try kept.decode("body", as: [UInt8].self), as: UTF8.self)
          return try PersonExport.item(type, item(row, body))
        }
      }
    }
  }

  /// The deliveries about one connection, with their bodies.
  private func deliveries(_ slug: String, about userID: String) async throws -> [Data] {
    let deliveries = Deliveries(database: database, directory: directory, settings: DeliveryConfiguration())
    var items: [Data] = []
    var page = Page(limit: Self.rowsAtOnce)
    repeat {
      let listed = try await deliveries.list(tenant: slug, filter: DeliveryFilter(userID: userID), page: page)
      for delivery in listed.items {
        items.append(try PersonExport.item("delivery", await deliveries.show(tenant: slug, delivery.deliveryID)))
      }
      page.cursor = listed.nextCursor
    } while page.cursor != nil
    return items
  }
}

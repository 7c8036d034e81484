public import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The findings of a tenant's reconciliations.
public struct Findings: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing

  /// Lists findings, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - filter: which findings.
  ///   - page: which part.
  ///   - includingOperators: whether those for operators only follow on the last page; never for a tenant's own eyes.
  /// - Returns: a page of findings.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(
    tenant: String, filter: FindingFilter = FindingFilter(), page: Page = Page(), includingOperators: Bool = false
  ) async throws -> Listed<Finding> {
    let id = try await directory.tenant(tenant).id
    let cursors = directory.cursors("findings", of: id, filter: filter.texts + ["\(includingOperators)"])
    let cursor = try cursors.position(of: page)
    let parameters: [PostgresParameter] = [
      .uuid(id), .null, .text(filter.kind?.rawValue), .textArray(filter.severityTexts), .textArray(filter.statusTexts),
      .timestamp(cursor?.at), .uuid(try cursor?.uuid), .int(page.limit + 1), .timestamp(filter.firstSeen.since),
      .timestamp(filter.firstSeen.until),
    ]
    var rows = try await database.run(id, Self.statement(RegistryStatements.findingList, parameters)).rows
      .map { try Finding(row: $0, tenant: tenant) }
    if includingOperators {
      // Two roles see one table in two halves; the page is the merge of both.
      let others = try await database.runAcrossTenants([
        Self.statement(RegistryStatements.findingListForOperators, parameters)
      ])
      rows += try others.flatMap { try $0.rows.map { try Finding(row: $0, tenant: tenant) } }
      rows.sort { ($0.firstSeenAt, $0.id.text) < ($1.firstSeenAt, $1.id.text) }
    }
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.firstSeenAt, id: $0.id.text) }
  }

  /// Whether any finding is open that is so severe, of all that a filter asks for: what has been acknowledged is somebody's
  /// already, and does not count until that is over.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - severity: how severe at least.
  ///   - filter: which findings; one that asks for other states only has none.
  ///   - includingOperators: whether those for operators only count as well; never for a tenant's own eyes.
  /// - Returns: whether there is one.
  /// - Throws: `tenant_unknown`, `database_unavailable`.
  public func isAnyOpen(
    tenant: String, atLeast severity: FindingSeverity, filter: FindingFilter = FindingFilter(),
    includingOperators: Bool = false
  ) async throws -> Bool {
    var open = filter
    open.severity = max(severity, filter.severity ?? severity)
    open.statuses = Set<FindingStatus>([.open]).intersection(filter.statuses ?? [.open])
    let first = try await list(
      tenant: tenant, filter: open, page: Page(limit: 1), includingOperators: includingOperators)
    return !first.items.isEmpty
  }

  /// Shows one finding with its evidence spelt out.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - findingID: its id.
  ///   - includingOperators: whether one for operators only may be shown.
  /// - Returns: the finding and what it rests on.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ findingID: UUID, includingOperators: Bool = false) async throws -> FindingDetail {
    let owner = try await directory.tenant(tenant)
    let id = owner.id
    var rows = Array(try await database.run(id, Self.one(RegistryStatements.findingList, id, findingID)).rows)
    if rows.isEmpty, includingOperators {
      let others = try await database.runAcrossTenants([
        Self.one(RegistryStatements.findingListForOperators, id, findingID)
      ])
      rows = others.flatMap { Array($0.rows) }
    }
    guard let row = rows.first else { throw RegistryError.notFound("finding") }
    let finding = try Finding(row: row, tenant: tenant)
    return try await detail(of: finding, owner)
  }

  private func detail(of finding: Finding, _ tenant: Tenant) async throws -> FindingDetail {
    let id = PostgresParameter.uuid(tenant.id)
    let grace = PostgresParameter.double(timing.grace(of: tenant))
    var detail = FindingDetail(
      finding: finding, sessions: [], events: [], callbacks: [], receipts: [], connections: [], listings: [])
    var asked: [(String, BoundStatement)] = []
    var connections = finding.subject.type == "user_id" ? [finding.subject.id] : []
    for witness in finding.evidence {
      if witness.type == "user_id" {
        connections.append(witness.id)
      } else if let uuid = UUID(uuidString: witness.id) {
        switch witness.type {
        case "session": asked.append((witness.type, AuthSessions.one(id, grace: grace, uuid)))
        case "event": asked.append((witness.type, AuthEvents.one(id, uuid)))
        case "callback": asked.append((witness.type, RedirectCallbacks.one(id, grace: grace, uuid)))
        case "receipt": asked.append((witness.type, WebhookReceipts.one(id, uuid)))
        case "listing":
          asked.append((witness.type, RegistryStatements.findingListing(id, .uuid(uuid), .text(finding.subject.id))))
        default: break
        }
      }
    }
    for userID in Set(connections).sorted() {
      asked.append(("user_id", RegistryStatements.connectionShow(id, .text(userID))))
    }
    guard !asked.isEmpty else { return detail }
    for (question, result) in zip(asked, try await database.run(tenant.id, asked.map(\.1))) {
      for row in result.rows {
        switch question.0 {
        case "session": detail.sessions.append(try AuthSession(row: row))
        case "event": detail.events.append(try AuthEvent(row: row))
        case "callback": detail.callbacks.append(try RedirectCallback(row: row))
        case "receipt": detail.receipts.append(try WebhookReceipt(row: row))
        case "listing": detail.listings.append(try ListedConnection(row: row))
        default: detail.connections.append(try Connection(row: row))
        }
      }
    }
    return detail
  }

  private static func statement(_ named: NamedStatement, _ parameters: [PostgresParameter]) -> BoundStatement {
    BoundStatement(named: named, parameters: parameters)
  }

  /// One of the two lists, for one finding in whatever state.
  static func one(_ list: NamedStatement, _ tenantID: UUID, _ id: UUID) -> BoundStatement {
    let all = FindingFilter(statuses: Set(FindingStatus.allCases))
    return list(
      .uuid(tenantID), .uuid(id), .null, .textArray(all.severityTexts), .textArray(all.statusTexts), .null, .null,
      .int(1), .null, .null)
  }
}

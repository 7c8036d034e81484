public import Foundation
import NIOPosix
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// Where a tenant's backend takes deliveries: added, changed, looked at.
public struct Endpoints: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let keyRing: MasterKeyRing
  let settings: DeliveryConfiguration
  let resolver: HostResolver

  /// How many endpoints a tenant may have.
  public static let maximumPerTenant = 50
  /// For how long deliveries are signed with the old secret too, where nothing else is said.
  public static let defaultOverlap: Duration = .seconds(86_400)
  /// Who the audit names where the caller names nobody.
  public static let unnamedActor = AuditEntry.unnamed

  /// Adds an endpoint. It gets every change that is committed from then on, and older ones by replay.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - new: what it is made of.
  ///   - actor: who does it, for the audit.
  /// - Returns: the endpoint with its secret, which is shown this once.
  /// - Throws: `tenant_unknown`; `invalid_request` for a URL that may not be called, also where its host leads to an
  ///   address that deliveries may not go to; `limit_reached` past ``maximumPerTenant``; `database_unavailable`.
  public func add(
    tenant: String, _ new: NewEndpoint, by actor: String = Endpoints.unnamedActor
  ) async throws -> EndpointWithSecret {
    let entry = try await directory.require(tenant)
    let id = entry.tenant.id
    let url = try await checked(new.url, of: entry.tenant)
    try Self.check(description: new.description)
    let secret = EndpointSecret()
    let sealed = try keyRing.seal(Array(secret.text.utf8), tenantID: id, purpose: .endpointSecret)
    let endpointID = UUID.version7()
    let results = try await database.run(
      id, locking: [endpointID.text],
      [
        RegistryStatements.endpointTenantLock(.uuid(id)),
        RegistryStatements.endpointInsert(
          .uuid(id), .uuid(endpointID), .text(url.text), .text(new.description), Self.column(new.statuses),
          .bytes(sealed), Self.column(new.findingTypes), .int(Self.maximumPerTenant)),
        AuditEntry(actor: actor, action: "endpoint.add", subject: endpointID.text).statement(tenantID: id),
        Self.list(id, endpointID),
      ])
    guard let row = results.last?.rows.first else {
      throw RegistryError(
        .limitReached, "a tenant has up to \(Self.maximumPerTenant) endpoints: remove one first", field: "url")
    }
    return EndpointWithSecret(endpoint: try Endpoint(row: row), secret: secret.text)
  }

  /// Lists endpoints, oldest first.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - page: which part.
  /// - Returns: a page of endpoints, disabled ones too.
  /// - Throws: `tenant_unknown`, `invalid_request` for a bad page, `database_unavailable`.
  public func list(tenant: String, page: Page = Page()) async throws -> Listed<Endpoint> {
    let id = try await directory.require(tenant).tenant.id
    let cursors = directory.cursors("endpoints", of: id)
    let cursor = try cursors.position(of: page)
    let rows = try await database.run(
      id,
      RegistryStatements.endpointList(
        .uuid(id), .null, .timestamp(cursor?.at), .uuid(try cursor?.uuid), .int(page.limit + 1))
    ).rows.map(Endpoint.init(row:))
    return Listed(rows, limit: page.limit, cursors) { Cursor(at: $0.createdAt, id: $0.endpointID.text) }
  }

  /// Shows one endpoint.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: its id.
  /// - Returns: the endpoint, without its secret.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func show(tenant: String, _ endpointID: UUID) async throws -> Endpoint {
    let id = try await directory.require(tenant).tenant.id
    return try await found(id, [Self.list(id, endpointID)])
  }

  /// Changes an endpoint. What is already waiting for it goes to the new URL.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: its id.
  ///   - changes: what is to be changed.
  ///   - expected: the endpoint as the caller read it; nil changes it whatever it is.
  ///   - actor: who does it, for the audit.
  /// - Returns: the endpoint as it is now.
  /// - Throws: `tenant_unknown`, `not_found`, `invalid_request`, `precondition_failed` where it is not as expected,
  ///   `database_unavailable`.
  public func update(
    tenant: String, _ endpointID: UUID, _ changes: EndpointChanges, expected: (@Sendable (Endpoint) -> Bool)? = nil,
    by actor: String = Endpoints.unnamedActor
  ) async throws -> Endpoint {
    let entry = try await directory.require(tenant)
    let id = entry.tenant.id
    let current = try await show(tenant: tenant, endpointID)
    let changed = RegistryError(.preconditionFailed, "the endpoint has changed since it was read: read it again")
    if let expected, !expected(current) { throw changed }
    var url = current.url
    if let new = changes.url { url = try await checked(new, of: entry.tenant).text }
    let description = changes.description ?? current.description
    try Self.check(description: description)
    let statuses = changes.statuses ?? current.statuses.map(Set.init)
    let findingTypes = changes.findingTypes ?? Set(current.findingTypes)
    let before = (
      url: PostgresParameter.text(expected == nil ? nil : current.url), description: current.description,
      statuses: Self.column(current.statuses.map(Set.init)), findingTypes: Self.column(Set(current.findingTypes))
    )
    let detail = #"{"changed_url":\#(url != current.url)}"#
    let results = try await database.run(
      id, locking: [endpointID.text],
      [
        RegistryStatements.endpointUpdateAudit(
          .uuid(id), .uuid(endpointID), before.url, .text(before.description), before.statuses, before.findingTypes,
          .uuid(.version7()), .text(actor), .text(detail)),
        RegistryStatements.endpointUpdate(
          .uuid(id), .uuid(endpointID), .text(url), .text(description), Self.column(statuses),
          Self.column(findingTypes), before.url, .text(before.description), before.statuses, before.findingTypes),
        Self.list(id, endpointID),
      ])
    guard let row = results[2].rows.first else { throw RegistryError.notFound("endpoint") }
    guard results[1].affectedRows > 0 else { throw changed }
    return try Endpoint(row: row)
  }

  /// Removes an endpoint with its secret and everything that waits for it.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: its id.
  ///   - actor: who does it, for the audit.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func remove(
    tenant: String, _ endpointID: UUID, by actor: String = Endpoints.unnamedActor
  ) async throws {
    let id = try await directory.require(tenant).tenant.id
    _ = try await found(
      id, locking: endpointID,
      [
        Self.list(id, endpointID),
        AuditEntry(actor: actor, action: "endpoint.remove", subject: endpointID.text).statement(tenantID: id),
        RegistryStatements.endpointRemove(.uuid(id), .uuid(endpointID)),
      ])
  }

  /// Gives an endpoint a new secret. For some time deliveries are signed with both, so that a receiver can change over.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: its id.
  ///   - overlap: for how long the old secret signs too; zero ends it at once.
  ///   - actor: who does it, for the audit.
  /// - Returns: the endpoint with its new secret, which is shown this once.
  /// - Throws: `tenant_unknown`, `not_found`, `invalid_request` for an overlap of more than 30 days,
  ///   `database_unavailable`.
  public func rotateSecret(
    tenant: String, _ endpointID: UUID, overlap: Duration = Endpoints.defaultOverlap,
    by actor: String = Endpoints.unnamedActor
  ) async throws -> EndpointWithSecret {
    let id = try await directory.require(tenant).tenant.id
    guard overlap >= .zero, overlap <= .seconds(30 * 86_400) else {
      throw RegistryError.invalid("overlap", "from nothing to 30 days")
    }
    let secret = EndpointSecret()
    let sealed = try keyRing.seal(Array(secret.text.utf8), tenantID: id, purpose: .endpointSecret)
    let until = settings.clock().addingTimeInterval(overlap.inSeconds)
    let endpoint = try await found(
      id, locking: endpointID,
      [
        RegistryStatements.endpointRotate(.uuid(id), .uuid(endpointID), .bytes(sealed), .timestamp(until)),
        AuditEntry(actor: actor, action: "endpoint.rotate_secret", subject: endpointID.text).statement(tenantID: id),
        Self.list(id, endpointID),
      ])
    return EndpointWithSecret(endpoint: endpoint, secret: secret.text)
  }

  /// Sends a test delivery of the type `ping`.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: its id.
  /// - Returns: the delivery, which waits to be sent.
  /// - Throws: `tenant_unknown`, `not_found`; `endpoint_disabled`; `database_unavailable`.
  public func ping(tenant: String, _ endpointID: UUID) async throws -> Delivery {
    let id = try await directory.require(tenant).tenant.id
    let deliveryID = UUID.version7()
    let results = try await database.run(
      id, locking: [endpointID.text],
      [
        Self.list(id, endpointID),
        RegistryStatements.deliveryAppendPing(.uuid(id), .uuid(endpointID), .uuid(deliveryID)),
        RegistryStatements.deliveryShow(.uuid(id), .uuid(deliveryID)),
        RegistryStatements.deliveryWake(),
      ])
    guard !results[0].rows.isEmpty else { throw RegistryError.notFound("endpoint") }
    guard let row = results[2].rows.first else {
      throw RegistryError(.endpointDisabled, "this endpoint is disabled: enable it first")
    }
    return try Delivery(row: row)
  }

  /// Lets a disabled endpoint have deliveries again: what waited is due at once, and what changed meanwhile. Whoever
  /// delivers to it tells what waits so in slices, before it goes on.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: its id.
  ///   - actor: who does it, for the audit.
  /// - Returns: the endpoint as it is now.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func enable(
    tenant: String, _ endpointID: UUID, by actor: String = Endpoints.unnamedActor
  ) async throws -> Endpoint {
    let id = try await directory.require(tenant).tenant.id
    return try await found(
      id, locking: endpointID,
      [
        RegistryStatements.endpointTenantLock(.uuid(id)),
        AuditEntry(actor: actor, action: "endpoint.enable", subject: endpointID.text).statement(tenantID: id),
        RegistryStatements.endpointEnable(.uuid(id), .uuid(endpointID), .timestamp(settings.clock())),
        RegistryStatements.deliveryWake(),
        Self.list(id, endpointID),
      ])
  }

  /// Stops deliveries to an endpoint until it is enabled; changes of the meantime wait for it, for as long as settled
  /// deliveries are kept (30 days).
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - endpointID: its id.
  ///   - actor: who does it, for the audit.
  /// - Returns: the endpoint as it is now.
  /// - Throws: `tenant_unknown`, `not_found`, `database_unavailable`.
  public func disable(
    tenant: String, _ endpointID: UUID, by actor: String = Endpoints.unnamedActor
  ) async throws -> Endpoint {
    let id = try await directory.require(tenant).tenant.id
    return try await found(
      id, locking: endpointID,
      [
        AuditEntry(actor: actor, action: "endpoint.disable", subject: endpointID.text).statement(tenantID: id),
        RegistryStatements.endpointDisable(
          .uuid(id), .uuid(endpointID), .timestamp(settings.clock()),
          .text(Endpoint.DisabledReason.operator.rawValue), .null),
        Self.list(id, endpointID),
      ])
  }

  /// The endpoint that the one statement among these finds which lists.
  private func found(
    _ id: UUID, locking endpointID: UUID? = nil, _ statements: [BoundStatement]
  ) async throws -> Endpoint {
    let results = try await database.run(id, locking: endpointID.map { [$0.text] } ?? [], statements)
    for (statement, result) in zip(statements, results)
    where statement.named.name == RegistryStatements.endpointList.name {
      if let row = result.rows.first { return try Endpoint(row: row) }
    }
    throw RegistryError.notFound("endpoint")
  }

  private static func list(_ id: UUID, _ endpointID: UUID) -> BoundStatement {
    RegistryStatements.endpointList(.uuid(id), .uuid(endpointID), .null, .null, .int(1))
  }

  private static func column(_ statuses: Set<ConnectionStatus>?) -> PostgresParameter {
    statuses.map { .textArray($0.map(\.rawValue).sorted()) } ?? .null
  }

  private static func column(_ types: Set<FindingTransitionType>) -> PostgresParameter {
    .textArray(types.map(\.rawValue).sorted())
  }

  private static func check(description: String) throws {
    guard description.count <= 200, !description.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      throw RegistryError.invalid("description", "up to 200 characters without control characters")
    }
  }

  /// A URL that may be called as things stand; every attempt looks again.
  private func checked(_ text: String, of tenant: Tenant) async throws -> EndpointURL {
    let url = try EndpointURL(text, environment: tenant.environment)
    do {
      _ = try await DeliverySession.addresses(of: url, for: tenant.id, settings: settings, resolver: resolver)
    } catch HostResolver.Failure.noTurn {
      throw RegistryError.invalid(
        "url", "this host was not looked up, because other hosts of the tenant's take all the time: try again later")
    } catch let failure as DeliveryFailure {
      throw failure.reason == .addressRefused
        ? RegistryError.invalid(
          "url",
          "this host has an address that deliveries may not go to: private, loopback and other special addresses are "
            + "refused unless REGISTRY_DELIVERY_ALLOW lists them")
        : RegistryError.invalid("url", "this host has no address: check the name")
    }
    return url
  }
}

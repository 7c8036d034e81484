import ConnectionRegistry
import Foundation
import TerraSandbox

/// Writes down, for the oracle, what the registry said at each moment at which it was asked.
actor SimulationAccount {
  /// What a moment is for.
  enum Purpose: String, Sendable {
    /// Findings are held against what must be found, kind by kind.
    case compare
    /// Nothing that lives at Terra may have ended here.
    case look
    /// What lives here is what lives at Terra.
    case settle
    /// Nothing has ever ended here while it lived at Terra.
    case end
  }

  /// The lists stand as the JSON that they were encoded as: a story has many.
  private struct Moment {
    let purpose: Purpose
    let reconciledAt: Double
    var found: [String: [String: Data]]

    var json: String {
      func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
      }
      let found = found.map { tenant, lists in
        (tenant, object(lists.map { ($0.key, String(decoding: $0.value, as: UTF8.self)) }))
      }
      return object([
        ("purpose", "\"\(purpose.rawValue)\""), ("reconciled_at", "\(reconciledAt)"), ("found", object(found)),
      ])
    }
  }

  private struct Tenant: Encodable {
    var grace = SimulationSettings.grace
    var horizon = SimulationSettings.horizon
    var signatureFailingAfter = SimulationSettings.signatureFailingAfter

    enum CodingKeys: String, CodingKey {
      case grace, horizon
      case signatureFailingAfter = "signature_failing_after"
    }
  }

  private var moments: [Moment] = []
  /// Runs after everything was settled that found something new all the same.
  private(set) var unsettled: [ReconciliationRun] = []
  /// What was repaired.
  private(set) var repaired: Int64 = 0

  /// Takes note of a run.
  func note(_ run: ReconciliationRun, mustFindNothingNew: Bool) {
    repaired += run.repaired
    if mustFindNothingNew, run.foundNew > 0 || run.outcome != .complete { unsettled.append(run) }
  }

  /// Everything that the registry says, to be compared kind by kind.
  ///
  /// - Parameters:
  ///   - world: the world; nothing may be under way in it.
  ///   - everything: whether sessions and callbacks are looked at too, which takes longer.
  /// - Throws: `RegistryError`.
  func compare(_ world: SimulatedWorld, everything: Bool) async throws {
    try await add(.compare, world, everything: everything)
  }

  /// Which connections live.
  func look(_ world: SimulatedWorld) async throws { try await add(.look, world, everything: false) }

  /// Which connections live, once everything is repaired.
  func settle(_ world: SimulatedWorld) async throws { try await add(.settle, world, everything: false) }

  /// Everything that ever became of the connections.
  func end(_ world: SimulatedWorld) async throws { try await add(.end, world, everything: false) }

  private func add(_ purpose: Purpose, _ world: SimulatedWorld, everything: Bool) async throws {
    let at = world.stage.clock.now().timeIntervalSince1970
    let registry = world.stage.registry
    var found: [String: [String: Data]] = [:]
    for tenant in world.plan.tenants.map(\.slug) {
      var lists: [String: Data] = [:]
      lists["findings"] = try await Self.all {
        try await registry.findings.list(tenant: tenant, page: $0, includingOperators: true)
      }
      lists["connections"] = try await Self.all { try await registry.connections.list(tenant: tenant, page: $0) }
      lists["events"] = try await Self.all { try await registry.events.list(tenant: tenant, page: $0) }
      lists["receipts"] = try await Self.all { try await registry.receipts.list(tenant: tenant, page: $0) }
      if everything {
        lists["callbacks"] = try await Self.all { try await registry.callbacks.list(tenant: tenant, page: $0) }
        lists["sessions"] = try await Self.all { try await registry.sessions.list(tenant: tenant, page: $0) }
      }
      if purpose == .end { lists["changes"] = try await Self.changes(of: tenant, registry) }
      found[tenant] = lists
    }
    moments.append(Moment(purpose: purpose, reconciledAt: at, found: found))
  }

  /// Writes everything down.
  ///
  /// - Parameters:
  ///   - world: the world, with the ledger.
  ///   - directory: where to.
  /// - Throws: `CocoaError`.
  func write(_ world: SimulatedWorld, to directory: SimulationDirectory) async throws {
    try await world.sandbox.ledger.export(to: directory.ledger)
    let tenants = try JSONEncoder().encode(
      Dictionary(uniqueKeysWithValues: world.plan.tenants.map { ($0.slug, Tenant()) }))
    let story =
      "{\"tenants\":\(String(decoding: tenants, as: UTF8.self)),\"moments\":["
      + moments.map(\.json).joined(separator: ",") + "]}\n"
    try Data(story.utf8).write(to: URL(fileURLWithPath: directory.story))
  }

  private static func changes(of tenant: String, _ registry: ConnectionRegistry) async throws -> Data {
    var items: [Change] = []
    var page = try await registry.changes.page(tenant: tenant, limit: Changes.maximumLimit)
    while !page.items.isEmpty {
      items += page.items
      page = try await registry.changes.page(tenant: tenant, after: .after(page.cursor), limit: Changes.maximumLimit)
    }
    return try RegistryJSON.encoder().encode(items)
  }

  private static func all<Item: Encodable & Sendable>(
    _ fetch: (Page) async throws -> Listed<Item>
  ) async throws -> Data {
    var items: [Item] = []
    var cursor: String?
    repeat {
      let page = try await fetch(Page(limit: Page.maximumLimit, cursor: cursor))
      items += page.items
      cursor = page.nextCursor
    } while cursor != nil
    return try RegistryJSON.encoder().encode(items)
  }
}

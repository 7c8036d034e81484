@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// All connections of a tenant, read as they are at one moment.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct ConnectionStreamTests {
  /// More than one page of a list, and more than lies in the buffers between the server and its reader.
  private static let many = 20_000

  private static func fill(_ stage: Stage) async throws {
    try await stage.owner.execute(
      """
      INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id,
        resource_key, resource, created_at)
      SELECT t.tenant_id, 'u' || lpad(i::text, 6, '0'), k.key, k.key, k.key, 'p' || i / 2, k.key, 'FITBIT',
        now() - interval '1 day'
      FROM registry.tenant t, generate_series(1, \(many)) i, (VALUES ('0000000000000001:4:a')) k (key)
      WHERE t.slug = 'acme'
      """)
  }

  private static func all(_ stage: Stage, _ filter: ConnectionFilter = .init()) async throws -> [Connection] {
    try await stage.registry.connections.withAll(tenant: stage.slug, filter: filter) { connections in
      try await connections.reduce(into: []) { $0.append($1) }
    }
  }

  private static func listed(_ stage: Stage, _ filter: ConnectionFilter = .init()) async throws -> [Connection] {
    var items: [Connection] = []
    var page = Page(limit: 5)
    repeat {
      let listed = try await stage.registry.connections.list(tenant: stage.slug, filter: filter, page: page)
      items += listed.items
      page.cursor = listed.nextCursor
    } while page.cursor != nil
    return items
  }

  @Test func theyAreThoseOfTheListWhateverIsAskedFor() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      for number in 0..<12 {
        try await stage.deliver(
          Payload.auth(
            "u-\(number)", reference: "p-\(number % 4)", resource: number % 3 == 0 ? "OURA" : "FITBIT",
            scopes: "A,\"B\""))
      }
      try await stage.deliver(Payload.auth("theirs"), tenant: "globex")
      try await stage.deliver(Payload.deauth("u-3"))
      try await stage.deliver(Payload.event("connection_error", user: "u-4"))
      try await stage.deliver(Payload.data("u-5"))
      _ = try await stage.registry.connections.tag(tenant: "acme", "u-6", ["plan": "pro", "note": ""])
      _ = try await stage.registry.appUsers.merge(tenant: "acme", "p-1", into: "p-2", by: "test")
      let middle = try await Self.listed(stage)[7]
      let filters: [(ConnectionFilter, Int)] = [
        (.init(), 12), (.init(resource: "oura"), 3), (.init(referenceID: "p-2"), 6), (.init(referenceID: "p-1"), 0),
        (.init(statuses: [.deauthenticated, .degraded]), 2), (.init(statuses: []), 0),
        (.init(created: .init(since: middle.createdAt)), 5), (.init(created: .init(until: middle.createdAt)), 7),
        (.init(updated: .init(since: middle.recordedAt)), 8), (.init(tag: Tag(key: "plan", value: "pro")), 1),
        (.init(referenceID: "p-2", tag: Tag(key: "plan", value: "pro")), 1), (.init(staleSince: .distantFuture), 12),
        (.init(staleSince: Date(timeIntervalSinceNow: -3_600)), 11),
      ]
      for (filter, count) in filters {
        let all = try await Self.all(stage, filter)
        #expect(all == (try await Self.listed(stage, filter)), "\(filter)")
        #expect(all.count == count, "\(filter)")
      }
      #expect(try await Self.all(stage).first { $0.userID == "u-6" }?.tags == ["plan": "pro", "note": ""])
      await expectError(.tenantUnknown) {
        try await stage.registry.connections.withAll(tenant: "nobody") { _ in }
      }
    }
  }

  @Test func nothingOfWhatIsCommittedWhileTheyAreReadIsInIt() async throws {
    try await withStage { stage in
      try await Self.fill(stage)
      let last = "u0" + String(Self.many)
      try await stage.registry.connections.withAll(tenant: "acme") { connections in
        var iterator = connections.makeAsyncIterator()
        #expect(try await iterator.next()?.userID == "u000001")
        try await stage.deliver(Payload.deauth(last))
        try await stage.deliver(Payload.auth("new"))
        _ = try await stage.registry.connections.tag(tenant: "acme", last, ["plan": "pro"])
        try await stage.owner.execute("DELETE FROM registry.connection WHERE user_id = 'u010000'")
        var rest: [Connection] = []
        while let connection = try await iterator.next() { rest.append(connection) }
        #expect(rest.count == Self.many - 1)
        #expect(rest.contains { $0.userID == "u010000" })
        #expect(rest.last.map { "\($0.userID) \($0.status) \($0.tags)" } == "\(last) active [:]")
      }
      #expect(try await Self.all(stage).count == Self.many)
    }
  }

  @Test func whoEndsEarlyLeavesTheConnectionToOthers() async throws {
    try await withStage(StageSettings(connections: 1)) { stage in
      struct Enough: Error {}
      try await Self.fill(stage)
      for _ in 1...3 {
        let first = try await stage.registry.connections.withAll(tenant: "acme") { connections in
          for try await connection in connections { return connection.userID }
          return ""
        }
        #expect(first == "u000001")
        await #expect(throws: Enough.self) {
          try await stage.registry.connections.withAll(tenant: "acme") { _ in throw Enough() }
        }
      }
      #expect(try await Self.all(stage, .init(statuses: [.active])).count == Self.many)
    }
  }

  @Test func aServerThatGoesAwayIsNamedAndNotTakenForTheEnd() async throws {
    try await withStage { stage in
      try await Self.fill(stage)
      await expectError(.databaseUnavailable) {
        try await stage.registry.connections.withAll(tenant: "acme") { connections in
          try await stage.owner.execute(
            """
            SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
            WHERE a.datname = current_database() AND a.query LIKE '%FROM registry.connection c%'
              AND a.pid <> pg_backend_pid()
            """)
          await expectError(.databaseUnavailable) {
            for try await _ in connections {}
          }
        }
      }
      // Connections that the server has ended meanwhile are not used.
      #expect(try await Self.all(stage).count == Self.many)
    }
  }
}

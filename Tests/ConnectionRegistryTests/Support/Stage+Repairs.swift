@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

extension Stage {
  /// The finding about a connection that a repair has closed.
  func repaired(of userID: String) async throws -> Finding {
    let found = try await registry.findings.list(
      tenant: slug, filter: FindingFilter(statuses: [.repaired]), page: Page(limit: 200)
    ).items.filter { $0.subject.id == userID }
    return try #require(found.max { $0.lastSeenAt < $1.lastSeenAt })
  }

  func undo(_ finding: UUID) async throws -> Finding {
    try await registry.reconciliations.undoRepair(
      tenant: slug, finding: finding, by: "ann", reason: "a person looked")
  }

  /// Terra has ended one of two connections without a word, and the finding about it stands.
  func absentAtTerra() async throws -> (absent: String, other: String) {
    let ids = try await connectAndImport(2)
    try await sandbox.deauthenticate(tenant: slug, userID: ids[0])
    await sandbox.waitUntilIdle()
    try await listTwice()
    try await run()
    return (ids[0], ids[1])
  }

  /// One of two connections that Terra has ended without a word is ended here by a repair.
  func endedByRepair() async throws -> (ended: String, other: String, finding: Finding) {
    let (absent, other) = try await absentAtTerra()
    let run = try await registry.reconciliations.run(tenant: slug, repair: .safe)
    #expect(run.repaired == 1, "\(run)")
    #expect(try await live() == [other])
    return (absent, other, try await repaired(of: absent))
  }

  /// Gives a connection another id, in everything that names it.
  func rename(_ old: String, to new: String) async throws {
    var statements = [PostgresStatement("SET LOCAL session_replication_role = replica")]
    for (table, column) in [
      ("connection", "user_id"), ("connection_change", "user_id"), ("correction", "user_id"), ("finding", "subject"),
      ("provider_listing_user", "user_id"), ("provider_difference", "user_id"),
    ] {
      statements.append(
        PostgresStatement(
          "UPDATE registry.\(table) SET \(column) = $2 WHERE \(column) = $1", [.text(old), .text(new)]))
    }
    _ = try await owner.execute(PostgresBatch(statements: statements))
  }
}

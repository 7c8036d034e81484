@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase

/// A login that exists for the length of a closure; `isMember` of the role that may call the functions.
func withLogin(
  _ stage: Stage, isMember: Bool = true, at tenants: [String],
  _ body: @Sendable (PostgresConnection) async throws -> Void
) async throws {
  let login = "team_\(UUID().uuidString.prefix(8).lowercased())"
  try await stage.owner.execute("CREATE ROLE \(login) LOGIN")
  if isMember { try await stage.owner.execute("GRANT registry_embedder TO \(login)") }
  for tenant in tenants { try await stage.registry.embedders.add(tenant: tenant, login: login) }
  let outcome: Result<Void, any Error>
  do {
    try await connected(as: login, stage, body)
    outcome = .success(())
  } catch {
    outcome = .failure(error)
  }
  try await stage.owner.execute("DROP OWNED BY \(login)")
  try await stage.owner.execute("DROP ROLE \(login)")
  try outcome.get()
}

/// A connection of a login for the length of a closure.
func connected<Value: Sendable>(
  as login: String, _ stage: Stage, _ body: @Sendable (PostgresConnection) async throws -> Value
) async throws -> Value {
  var settings = PostgresPool.Configuration.patient(TestDatabase.current)
  settings.maximumConnections = 1
  return try await PostgresPool.withPool(settings, logger: stage.registry.logger) { pool in
    try await pool.withConnection { connection in
      try await connection.execute("SET SESSION AUTHORIZATION \(login)")
      let value = try await body(connection)
      try await connection.execute("RESET SESSION AUTHORIZATION")
      return value
    }
  }
}

/// The first column of all rows, as text.
func texts(
  _ connection: PostgresConnection, _ text: String, _ parameters: [PostgresParameter] = []
) async throws -> [String] {
  let result = try await connection.execute(text, parameters)
  guard let column = result.columnNames.first else { return [] }
  return try result.rows.map { try $0.decodeIfPresent(column, as: String.self) ?? "null" }
}

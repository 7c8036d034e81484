import Foundation
import Logging
import RegistryPostgres
import RegistrySQL
import TestDatabase

/// A pool on the running test's database, as one role.
@discardableResult
func withDatabase<Value>(
  _ connectionInfo: String = TestDatabase.current, role: String? = nil, connections: Int = 8,
  _ body: (PostgresPool) async throws -> sending Value
) async throws -> sending Value {
  var configuration = PostgresPool.Configuration(connectionInfo, role: role)
  configuration.maximumConnections = connections
  configuration.defaultTimeout = .seconds(900)
  return try await PostgresPool.withPool(configuration, logger: Logger(label: "test"), body)
}

extension NamedStatement.Role {
  /// The database role; nil is the schema's owner, as whom the tests log in.
  var databaseRole: String? {
    switch self {
    case .service: "registry_service"
    case .worker: "registry_worker"
    case .owner: nil
    }
  }
}

extension PostgresExecutor {
  /// The first column of all rows, as text.
  func texts(_ text: String, _ parameters: [PostgresParameter] = []) async throws -> [String] {
    let result = try await execute(text, parameters)
    guard let column = result.columnNames.first else { return [] }
    return try result.rows.map { try $0.decodeIfPresent(column, as: String.self) ?? "null" }
  }

  /// The only value of the only row, as a number.
  func count(_ text: String, _ parameters: [PostgresParameter] = []) async throws -> Int {
    let result = try await execute(text, parameters)
    guard let column = result.columnNames.first, let row = result.rows.first else { return -1 }
    return try row.decode(column, as: Int.self)
  }
}

extension PostgresBatch.Setting {
  /// The tenant, as every batch of the service names it.
  static func tenant(_ id: UUID) throws -> Self { try .init("registry.tenant_id", id) }
}

/// Two tenants that exist in no other test.
enum Tenants {
  static let first = UUID(uuidString: "00000000-0000-8000-8000-00000000000a") ?? UUID()
  static let second = UUID(uuidString: "00000000-0000-8000-8000-00000000000b") ?? UUID()

  /// Writes a tenant as the owner.
  static func insert(_ id: UUID, slug: String, into pool: PostgresPool) async throws {
    try await pool.execute(
      """
      INSERT INTO registry.tenant (tenant_id, slug, dev_id, terra_base_url, terra_widget_url)
      VALUES ($1, $2, 'dev', 'https://api.tryterra.co', 'https://widget.tryterra.co')
      """, [.uuid(id), .text(slug)])
  }
}

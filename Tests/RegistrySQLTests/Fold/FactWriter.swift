import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// Writes facts one by one with the product's own statements and parameters, as the service does.
struct FactWriter {
  let pool: PostgresPool
  let tenant: UUID

  /// Makes the tenant and a writer for it.
  static func make(_ pool: PostgresPool, slug: String, owner: PostgresPool) async throws -> FactWriter {
    let tenant = UUID()
    try await Tenants.insert(tenant, slug: slug, into: owner)
    return FactWriter(pool: pool, tenant: tenant)
  }

  /// Joins the facts of one event in one transaction, in the order of their ids.
  func write(_ facts: [ConnectionFact]) async throws {
    let statement = try JoinStatement()
    var statements: [PostgresStatement] = []
    for fact in facts.sorted(by: { $0.userID.utf8.lexicographicallyPrecedes($1.userID.utf8) }) {
      let values = fact.registers.byColumn
      let parameters = statement.columns.map { column -> PostgresParameter in
        switch column {
        case "tenant_id": .uuid(tenant)
        case "user_id": .text(fact.userID)
        default: .text(values[column])
        }
      }
      statements.append(
        PostgresStatement(
          name: RegistryStatements.connectionJoin.name, RegistryStatements.connectionJoin.text,
          parameters + [.bytesArray([])]))
      statements.append(
        PostgresStatement(
          name: RegistryStatements.connectionChangeAppend.name, RegistryStatements.connectionChangeAppend.text,
          [.uuid(tenant), .text(fact.userID), .text("event"), .text(fact.orderKey.rawValue), .text("none")]))
    }
    _ = try await pool.execute(PostgresBatch(settings: [.tenant(tenant)], statements: statements))
  }

  /// What the database holds about each connection.
  func states() async throws -> [String: State] {
    let columns = ConnectionRegisters.columns
    let rows = try await read(
      "SELECT user_id, status, \(columns.joined(separator: ", ")) FROM registry.connection WHERE tenant_id = $1")
    var states: [String: State] = [:]
    for row in rows {
      var values: [String: String] = [:]
      for column in columns { values[column] = try row.decodeIfPresent(column, as: String.self) }
      states[try row.decode("user_id", as: String.self)] = State(
        status: try row.decode("status", as: String.self), registers: values)
    }
    return states
  }

  /// The statuses that the change log tells for each connection, when its sequences have no gap and each step begins
  /// where the one before ended; nil otherwise.
  func changes() async throws -> [String: [String]]? {
    let rows = try await read(
      "SELECT user_id, sequence, from_status, to_status FROM registry.connection_change WHERE tenant_id = $1 ORDER BY user_id, sequence"
    )
    var changes: [String: [String]] = [:]
    for row in rows {
      let userID = try row.decode("user_id", as: String.self)
      let before = changes[userID] ?? []
      guard try row.decode("sequence", as: Int.self) == before.count + 1,
        try row.decodeIfPresent("from_status", as: String.self) == before.last
      else { return nil }
      changes[userID] = before + [try row.decode("to_status", as: String.self)]
    }
    return changes
  }

  private func read(_ text: String) async throws -> PostgresRows {
    try await pool.execute(
      PostgresBatch(settings: [.tenant(tenant)], statements: [PostgresStatement(text, [.uuid(tenant)])]))[0].rows
  }

  /// A connection's row.
  struct State: Equatable {
    let status: String
    let registers: [String: String]

    init(status: String, registers: [String: String]) {
      self.status = status
      self.registers = registers
    }

    /// The row that the pure join gives.
    init(_ registers: ConnectionRegisters) {
      self.init(status: registers.status.rawValue, registers: registers.byColumn)
    }

    /// The rows of all connections that facts speak of.
    static func joined(_ facts: [ConnectionFact]) -> [String: State] {
      Dictionary(grouping: facts, by: \.userID).mapValues { facts in
        State(facts.reduce(ConnectionRegisters()) { $0.joined(with: $1.registers) })
      }
    }
  }
}

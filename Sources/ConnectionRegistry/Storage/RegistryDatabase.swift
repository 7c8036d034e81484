import Foundation
import Logging
import RegistryPostgres
import RegistrySQL

/// The registry's way to PostgreSQL: every call is one transaction in which the tenant is set, as a role that owns
/// nothing. A call may be repeated after a lost connection, because every write carries its own identity.
struct RegistryDatabase: Sendable {
  /// Works as `registry_service`, under row-level security.
  let service: any PostgresBatchExecutor
  /// Works as `registry_worker`, which sees across tenants, through narrow grants.
  let worker: any PostgresBatchExecutor
  let logger: Logger

  static let maximumTries = 4

  /// Runs the statements in one transaction of the tenant.
  /// Those that join much at a time are not to be compiled: PostgreSQL believes that to pay, and takes seconds for what
  /// then runs in a tenth of one.
  func run(
    _ tenantID: UUID, compiles: Bool = true, _ statements: [PostgresStatement]
  ) async throws -> [PostgresResult] {
    var settings = [try PostgresBatch.Setting("registry.tenant_id", tenantID)]
    if !compiles { settings.append(try PostgresBatch.Setting("jit", "off")) }
    let batch = PostgresBatch(settings: settings, statements: statements)
    return try await repeating { try await service.execute(batch) }
  }

  /// Runs one statement of the tenant.
  func run(_ tenantID: UUID, _ statement: PostgresStatement) async throws -> PostgresResult {
    guard let result = try await run(tenantID, [statement]).first else {
      throw RegistryError(.internalFailure, "PostgreSQL gave no result for \(statement.name ?? "a statement")")
    }
    return result
  }

  /// Runs one statement across tenants.
  func runAcrossTenants(_ statements: [PostgresStatement]) async throws -> [PostgresResult] {
    try await repeating { try await worker.execute(PostgresBatch(statements: statements)) }
  }

  private func repeating(_ body: () async throws -> [PostgresResult]) async throws -> [PostgresResult] {
    var tries = 1
    while true {
      do {
        return try await body()
      } catch let error as PostgresError where error.isRetryableWhenIdempotent && tries < Self.maximumTries {
        logger.debug("repeating a transaction", metadata: ["error": "\(error.shortDescription)"])
        try await Task.sleep(for: .milliseconds(Int.random(in: 5...(20 << tries))))
        tries += 1
      } catch let error as PostgresError {
        throw Self.named(error)
      }
    }
  }

  /// The error as the registry names it, for callers that know nothing of PostgreSQL.
  static func named(_ error: any Error) -> any Error {
    guard let error = error as? PostgresError else { return error }
    switch error.sqlState?.rawValue {
    case "42P01", "3F000", "42703":
      return RegistryError(
        .schemaNotMigrated, "the database lacks a part of the registry's schema: run `registry migrate apply`")
    case "42704" where error.code == .connectionFailed, "22023" where error.code == .connectionFailed:
      return RegistryError(
        .schemaNotMigrated, "the database lacks the registry's roles: run `registry migrate apply`")
    case "53100", "53200", "53300", "57P01", "57P02", "57P03":
      return RegistryError(.databaseUnavailable, "PostgreSQL is out of resources or stopping: \(error)")
    default: break
    }
    switch error.code {
    case .connectionFailed, .connectionLost, .timedOut, .queueFull, .outcomeUnknown, .closed:
      return RegistryError(.databaseUnavailable, "PostgreSQL does not answer: \(error)")
    default:
      return error
    }
  }
}

extension NamedStatement {
  /// The statement with its parameters, prepared under its own name.
  func callAsFunction(_ parameters: PostgresParameter...) -> PostgresStatement {
    PostgresStatement(name: name, text, parameters)
  }
}

import ArgumentParser
import ConnectionRegistry

/// One tenant of the registry that a command works on, and how its answers are printed.
struct TenantScope: ParsableArguments {
  @OptionGroup private var option: TenantOption
  @OptionGroup var registry: RegistryScope

  /// The tenant's slug.
  var tenant: String { option.tenant }

  /// Does something with the registry.
  ///
  /// - Parameter act: Is given the registry and the tenant's slug.
  /// - Returns: What the act returns.
  /// - Throws: What the act throws, and why the registry cannot be reached.
  func with<Value: Sendable>(_ act: (ConnectionRegistry, String) async throws -> Value) async throws -> Value {
    try await registry.with { try await act($0, tenant) }
  }

  /// Does something with the registry, and prints the one thing that comes of it.
  ///
  /// - Parameter act: Is given the registry and the tenant's slug.
  /// - Returns: What was printed.
  /// - Throws: What the act throws, why the registry cannot be reached, and `OutputError`.
  @discardableResult
  func print<Value: Encodable & Sendable>(
    _ act: (ConnectionRegistry, String) async throws -> Value
  ) async throws -> Value {
    try await registry.print { try await act($0, tenant) }
  }

  /// Prints a list by pages.
  ///
  /// - Parameters:
  ///   - options: How many rows, and from where.
  ///   - columns: What a table and CSV show of a row.
  ///   - empty: What a table says that has no rows.
  ///   - fetch: Is given the registry, the tenant's slug and the page, and answers it.
  /// - Throws: What `fetch` throws, why the registry cannot be reached, and `OutputError`, but not that the reader has gone.
  func list<Item: Encodable & Sendable>(
    _ options: PageOptions, columns: [Column], empty: String,
    fetch: (ConnectionRegistry, String, Page) async throws -> Listed<Item>
  ) async throws {
    try await registry.list(options, columns: columns, empty: empty) { try await fetch($0, tenant, $1) }
  }
}

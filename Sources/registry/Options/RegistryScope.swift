import ArgumentParser
import ConnectionRegistry

/// The registry that a command works on, and how its answers are printed.
struct RegistryScope: ParsableArguments {
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var output: OutputOptions

  /// Does something with the registry.
  ///
  /// - Parameter act: What to do.
  /// - Returns: What the act returns.
  /// - Throws: What the act throws, and why the registry cannot be reached.
  func with<Value: Sendable>(_ act: (ConnectionRegistry) async throws -> Value) async throws -> Value {
    try await RegistryAccess.withRegistry(database, act)
  }

  /// Does something with the registry, and prints the one thing that comes of it.
  ///
  /// - Parameter act: What to do.
  /// - Returns: What was printed.
  /// - Throws: What the act throws, why the registry cannot be reached, and `OutputError`.
  @discardableResult
  func print<Value: Encodable & Sendable>(_ act: (ConnectionRegistry) async throws -> Value) async throws -> Value {
    let value = try await with(act)
    try detailPrinter.print(value)
    return value
  }

  /// Prints a list by pages.
  ///
  /// - Parameters:
  ///   - options: How many rows, and from where.
  ///   - columns: What a table and CSV show of a row.
  ///   - empty: What a table says that has no rows.
  ///   - fetch: Answers one page.
  /// - Throws: What `fetch` throws, why the registry cannot be reached, and `OutputError`, but not that the reader has gone.
  func list<Item: Encodable & Sendable>(
    _ options: PageOptions, columns: [Column], empty: String,
    fetch: (ConnectionRegistry, Page) async throws -> Listed<Item>
  ) async throws {
    try await with { registry in
      var printer = listPrinter(columns: columns, empty: empty)
      try await printer.print(options) { try await fetch(registry, $0) }
    }
  }

  var detailPrinter: DetailPrinter { DetailPrinter(StandardOutput(), output.format) }

  func listPrinter(columns: [Column], empty: String) -> ListPrinter {
    ListPrinter(StandardOutput(), output.format, columns: columns, empty: empty)
  }
}

import CLibpq

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The answer to one statement: its rows, and how many rows it affected.
///
/// Values stay in libpq's memory and are decoded on demand; a row keeps its result alive.
///
/// A `PGresult` is read-only once libpq has handed it out, and libpq documents concurrent reads of it as safe: hence
/// `@unchecked Sendable`.
public final class PostgresResult: @unchecked Sendable {
  let pointer: OpaquePointer

  /// Takes over the result, which is freed with this object.
  init(_ pointer: OpaquePointer) {
    self.pointer = pointer
  }

  deinit {
    PQclear(pointer)
  }

  /// The rows, in the server's order.
  public var rows: PostgresRows { PostgresRows(result: self, count: Int(PQntuples(pointer))) }

  /// How many rows there are.
  public var count: Int { Int(PQntuples(pointer)) }

  /// The names of the columns, in order; empty for a statement that returns no rows.
  public var columnNames: [String] {
    (0..<PQnfields(pointer)).map { PQfname(pointer, $0).map { String(cString: $0) } ?? "" }
  }

  /// How many rows an INSERT, UPDATE, DELETE or MERGE affected or a SELECT returned; 0 for other statements.
  public var affectedRows: Int {
    PQcmdTuples(pointer).flatMap { Int(String(cString: $0)) } ?? 0
  }

  /// The command tag as the server gave it, for example `INSERT 0 1`.
  public var commandTag: String {
    PQcmdStatus(pointer).map { String(cString: $0) } ?? ""
  }

  /// How many bytes the result takes in memory.
  public var memoryBytes: Int { Int(PQresultMemorySize(pointer)) }

  /// Looks a column up by its exact name; the first one wins.
  func column(_ name: String) -> CInt? {
    name.withCString { name in
      for column in 0..<PQnfields(pointer) {
        if let candidate = PQfname(pointer, column), strcmp(candidate, name) == 0 { return column }
      }
      return nil
    }
  }
}

/// The rows of a result.
public struct PostgresRows: Sendable, RandomAccessCollection {
  let result: PostgresResult
  /// How many rows there are.
  public let count: Int

  init(result: PostgresResult, count: Int) {
    self.result = result
    self.count = count
  }

  /// Always 0.
  public var startIndex: Int { 0 }

  /// The count of rows.
  public var endIndex: Int { count }

  /// The row at a position.
  /// - Parameter position: from 0; beyond the end is a programming error, as with an array.
  public subscript(position: Int) -> PostgresRow {
    precondition(position >= 0 && position < count, "the row index is out of range")
    return PostgresRow(result: result, index: position)
  }
}

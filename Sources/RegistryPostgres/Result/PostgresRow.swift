import CLibpq

/// One row of a result; its values are decoded when asked for.
public struct PostgresRow: Sendable {
  let result: PostgresResult
  /// The row's position in its result, from 0.
  public let index: Int

  init(result: PostgresResult, index: Int) {
    self.result = result
    self.index = index
  }

  /// Decodes a column that must not be NULL.
  /// - Parameters:
  ///   - column: the column's exact name.
  ///   - type: the type to decode as; usually inferred.
  /// - Returns: the value.
  /// - Throws: ``PostgresError`` of code `decoding` when there is no such column, or the value is NULL or not of that
  ///   type; the error names the column and both types, not the value.
  public func decode<Value: PostgresDecodable>(
    _ column: String, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    guard let value = try decodeIfPresent(column, as: type) else {
      throw failure(column, "is NULL where \(Value.self) is expected: decode it with decodeIfPresent")
    }
    return value
  }

  /// Decodes a column that may be NULL.
  /// - Parameters:
  ///   - column: the column's exact name.
  ///   - type: the type to decode as; usually inferred.
  /// - Returns: the value; `nil` for NULL.
  /// - Throws: ``PostgresError`` of code `decoding` when there is no such column or the value is not of that type.
  public func decodeIfPresent<Value: PostgresDecodable>(
    _ column: String, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value? {
    guard let number = result.column(column) else {
      let names = result.columnNames.joined(separator: ", ")
      throw failure(column, "does not exist: the columns are \(names.isEmpty ? "none" : names)")
    }
    let row = CInt(index)
    guard PQgetisnull(result.pointer, row, number) == 0 else { return nil }
    let length = Int(PQgetlength(result.pointer, row, number))
    let typeOID = PQftype(result.pointer, number)
    let value = PQgetvalue(result.pointer, row, number).flatMap { start in
      start.withMemoryRebound(to: UInt8.self, capacity: length) { start in
        Value.decode(PostgresText(bytes: UnsafeBufferPointer(start: start, count: length), typeOID: typeOID))
      }
    }
    guard let value else {
      throw failure(column, "of type oid \(typeOID) does not hold a value of Swift's \(Value.self)")
    }
    return value
  }

  /// Whether a column is NULL.
  /// - Parameter column: the column's exact name.
  /// - Returns: `true` for NULL, and also for a column that does not exist.
  public func isNull(_ column: String) -> Bool {
    guard let number = result.column(column) else { return true }
    return PQgetisnull(result.pointer, CInt(index), number) != 0
  }

  private func failure(_ column: String, _ problem: String) -> PostgresError {
    var error = PostgresError(.decoding, "column \"\(column)\" of row \(index) \(problem)")
    error.columnName = column
    return error
  }
}

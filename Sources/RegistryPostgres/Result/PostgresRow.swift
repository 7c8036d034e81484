import CLibpq

/// One row of a result; its values are decoded when asked for.
public struct PostgresRow: Sendable {
  @usableFromInline let result: PostgresResult
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
  @inlinable
  public func decode<Value: PostgresDecodable>(
    _ column: String, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    guard let value = try decodeIfPresent(column, as: type) else { throw nullFailure(column, type) }
    return value
  }

  /// Decodes a column that may be NULL.
  /// - Parameters:
  ///   - column: the column's exact name.
  ///   - type: the type to decode as; usually inferred.
  /// - Returns: the value; `nil` for NULL.
  /// - Throws: ``PostgresError`` of code `decoding` when there is no such column or the value is not of that type.
  @inlinable
  public func decodeIfPresent<Value: PostgresDecodable>(
    _ column: String, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value? {
    // The text lies in the result's memory.
    defer { withExtendedLifetime(result) {} }
    guard let text = try text(of: column) else { return nil }
    guard let value = type.decode(text) else { throw typeFailure(column, text, type) }
    return value
  }

  /// Whether a column is NULL.
  /// - Parameter column: the column's exact name.
  /// - Returns: `true` for NULL, and also for a column that does not exist.
  public func isNull(_ column: String) -> Bool {
    guard let number = result.column(column) else { return true }
    return PQgetisnull(result.pointer, CInt(index), number) != 0
  }

  /// What stands in a column; `nil` for NULL. Not generic, so that only a few instructions are made anew for each type.
  @usableFromInline
  func text(of column: String) throws(PostgresError) -> PostgresText? {
    guard let number = result.column(column) else {
      let names = result.columnNames.joined(separator: ", ")
      throw failure(column, "does not exist: the columns are \(names.isEmpty ? "none" : names)")
    }
    let row = CInt(index)
    guard PQgetisnull(result.pointer, row, number) == 0, let start = PQgetvalue(result.pointer, row, number) else {
      return nil
    }
    let bytes = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result.pointer, row, number)))
    return PostgresText(bytes: bytes.assumingMemoryBound(to: UInt8.self), typeOID: PQftype(result.pointer, number))
  }

  @usableFromInline
  func nullFailure(_ column: String, _ type: Any.Type) -> PostgresError {
    failure(column, "is NULL where \(type) is expected: decode it with decodeIfPresent")
  }

  @usableFromInline
  func typeFailure(_ column: String, _ text: PostgresText, _ type: Any.Type) -> PostgresError {
    failure(column, "of type oid \(text.typeOID) does not hold a value of Swift's \(type)")
  }

  private func failure(_ column: String, _ problem: String) -> PostgresError {
    var error = PostgresError(.decoding, "column \"\(column)\" of row \(index) \(problem)")
    error.columnName = column
    return error
  }
}

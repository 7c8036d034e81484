/// Comma-separated values (RFC 4180).
enum CSV {
  /// One record, with its end of line.
  ///
  /// - Parameter fields: The fields.
  /// - Returns: The fields, quoted where they must be, and CR LF.
  static func line(_ fields: [String]) -> String {
    fields.map(quoted).joined(separator: ",") + "\r\n"
  }

  private static func quoted(_ field: String) -> String {
    guard field.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return field }
    return "\"" + field.replacing("\"", with: "\"\"") + "\""
  }
}

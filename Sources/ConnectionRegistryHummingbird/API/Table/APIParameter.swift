/// A parameter of an operation: a segment of its path, a part of its query, or a header.
struct APIParameter: Sendable {
  enum Place: String, Sendable {
    case path, query, header
  }

  var place: Place
  var name: String
  var schema: APISchema
  var description: String

  /// A segment of the path, `{name}` in its template; a value that does not fit the schema names nothing: 404.
  static func path(_ name: String, _ schema: APISchema, _ description: String) -> APIParameter {
    APIParameter(place: .path, name: name, schema: schema, description: description)
  }

  /// A part of the query, which may be left out; a value that does not fit the schema is refused: 400.
  static func query(_ name: String, _ schema: APISchema, _ description: String) -> APIParameter {
    APIParameter(place: .query, name: name, schema: schema, description: description)
  }

  /// A header, which may be left out; a value that does not fit the schema is refused: 400.
  static func header(_ name: String, _ schema: APISchema, _ description: String) -> APIParameter {
    APIParameter(place: .header, name: name, schema: schema, description: description)
  }

  /// The two ends of a span of time, `since` and `until`, or with a name `created_since` and `created_until`;
  /// ``QueryParameters/span(_:)`` reads them.
  ///
  /// - Parameters:
  ///   - what: What the rows must be in the span: "recorded".
  ///   - name: What stands before both names.
  /// - Returns: Both parameters.
  static func span(_ what: String, named name: String? = nil) -> [APIParameter] {
    let prefix = name.map { $0 + "_" } ?? ""
    return [
      .query(prefix + "since", .time, "Only those \(what) at this time or later."),
      .query(prefix + "until", .time, "Only those \(what) before this time."),
    ]
  }

  /// How many rows a page has, and where it begins: what every list takes.
  static let page: [APIParameter] = [
    .query("limit", .integer(1...200), "How many rows a page has at most; 50 where nothing is said."),
    .query("cursor", .printable(1...2_048), "Where the page begins: the `next_cursor` of the page before, unchanged."),
  ]
}

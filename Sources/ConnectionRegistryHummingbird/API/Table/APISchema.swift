import ConnectionRegistry

/// The shape of a value in JSON or in a query, written once: the document shows it and requests are held against it.
///
/// ```swift
/// static let tenant = APISchema.named("Tenant", .object([
///   .required("slug", .text(1...63, like: "acme"), "The tenant's name in routes."),
///   .optional("disabled_at", .time, "Since when the tenant is disabled."),
/// ]))
/// ```
struct APISchema: Sendable {
  /// What kinds of value there are.
  indirect enum Form: Sendable {
    case text(length: ClosedRange<Int>, format: TextFormat?)
    case choice([String])
    case integer(ClosedRange<Int64>)
    case number
    case boolean
    case list(APISchema, count: ClosedRange<Int>)
    case object([Member])
    /// An object whose members' names are the caller's.
    case map(names: APISchema, values: APISchema, count: ClosedRange<Int>)
    case nullable(APISchema)
    /// Only this value.
    case constant(JSONNode)
    case named(String, APISchema)
    /// An object whose members go together in one of several ways.
    case variants(APISchema, [Variant])
    case anything
  }

  /// What a text is beside its length.
  enum TextFormat: Sendable {
    case uuid, time, url
    /// What stands in a header: printable ASCII and spaces between.
    case headerText
    /// Letters, digits and punctuation of ASCII without spaces.
    case printable
    /// Any text but NUL, which the database cannot keep.
    case withoutNUL
    /// The same without commas, which separate such texts elsewhere.
    case withoutComma
    /// One line: text without control characters.
    case line
    /// Hexadecimal digits in lower case.
    case hexadecimal
    /// Lower-case letters, digits, `_`, `-` and `.`, beginning with a letter.
    case tagName
    /// Lower-case letters, digits, `_` and `-`.
    case channel
    /// A tag's name, and its value after `=`.
    case tag
  }

  /// One member of an object.
  struct Member: Sendable {
    var name: String
    var schema: APISchema
    var description: String
    var isRequired: Bool

    /// A member that is always there.
    static func required(_ name: String, _ schema: APISchema, _ description: String) -> Member {
      Member(name: name, schema: schema, description: description, isRequired: true)
    }

    /// A member that is left out where there is nothing to say.
    static func optional(_ name: String, _ schema: APISchema, _ description: String) -> Member {
      Member(name: name, schema: schema, description: description, isRequired: false)
    }
  }

  var form: Form
  /// What such a value looks like.
  var example: JSONNode?

  /// Any text the database can keep, up to 1,024 characters unless said otherwise.
  static func text(_ length: ClosedRange<Int> = 0...65_536, like example: String? = nil) -> APISchema {
    APISchema(form: .text(length: length, format: .withoutNUL), example: example.map(JSONNode.text))
  }
  /// A text of one line, without control characters.
  static func line(_ length: ClosedRange<Int>, like example: String? = nil) -> APISchema {
    APISchema(form: .text(length: length, format: .line), example: example.map(JSONNode.text))
  }
  /// A text that may stand in a list separated by commas.
  static func element(_ length: ClosedRange<Int>, like example: String? = nil) -> APISchema {
    APISchema(form: .text(length: length, format: .withoutComma), example: example.map(JSONNode.text))
  }
  /// A text of printable ASCII without spaces.
  static func printable(_ length: ClosedRange<Int>, like example: String? = nil) -> APISchema {
    APISchema(form: .text(length: length, format: .printable), example: example.map(JSONNode.text))
  }
  /// A SHA-256 in hexadecimal.
  static let sha256 = APISchema(form: .text(length: 64...64, format: .hexadecimal))
  /// An id of the registry's own.
  static let uuid = APISchema(
    form: .text(length: 36...36, format: .uuid), example: "01939f6e-7a1c-7c3e-9d2f-5b8a4e6f0c11")
  /// A time as RFC 3339 writes it, with its zone.
  static let time = APISchema(form: .text(length: 20...64, format: .time), example: "2026-03-01T09:30:00Z")
  /// A URL.
  static let url = APISchema(form: .text(length: 1...65_536, format: .url))
  /// One of a closed set.
  static func choice(_ values: [String]) -> APISchema { APISchema(form: .choice(values)) }
  /// One of an enumeration's values.
  static func choice<Value: RawRepresentable & CaseIterable>(of type: Value.Type) -> APISchema
  where Value.RawValue == String { APISchema(form: .choice(type.allCases.map(\.rawValue))) }
  /// A whole number.
  static func integer(_ range: ClosedRange<Int64> = Int64.min...Int64.max) -> APISchema {
    APISchema(form: .integer(range))
  }
  /// A number.
  static let number = APISchema(form: .number)
  /// `true` or `false`.
  static let boolean = APISchema(form: .boolean)
  /// A list; in a query its elements are separated by commas.
  static func list(of element: APISchema, _ count: ClosedRange<Int> = 0...Int.max) -> APISchema {
    APISchema(form: .list(element, count: count))
  }
  /// An object with these members.
  static func object(_ members: [Member]) -> APISchema { APISchema(form: .object(members)) }
  /// An object whose members' names are the caller's.
  static func map(of values: APISchema, names: APISchema, _ count: ClosedRange<Int> = 0...Int.max) -> APISchema {
    APISchema(form: .map(names: names, values: values, count: count))
  }
  /// Only this value.
  static func constant(_ value: JSONNode) -> APISchema { APISchema(form: .constant(value)) }
  /// Only null.
  static let nothing = APISchema(form: .constant(.null))
  /// The value, or null.
  static func nullable(_ schema: APISchema) -> APISchema { APISchema(form: .nullable(schema)) }
  /// A schema that stands in the document once, under this name.
  static func named(_ name: String, _ schema: APISchema) -> APISchema { APISchema(form: .named(name, schema)) }
  /// An object that is as exactly one of these variants says.
  static func variants(of object: APISchema, _ variants: [Variant]) -> APISchema {
    APISchema(form: .variants(object, variants))
  }
  /// Any JSON.
  static let anything = APISchema(form: .anything)

  /// One page of a list.
  static func page(of item: APISchema) -> APISchema {
    .object([
      .required("items", .list(of: item), "The rows of this page."),
      .required("next_cursor", .nullable(.text()), "The cursor of the next page; null on the last."),
    ])
  }
}

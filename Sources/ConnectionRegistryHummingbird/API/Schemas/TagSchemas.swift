import ConnectionRegistry

/// Tags as JSON, and how they are changed.
enum TagSchemas {
  static let key = APISchema(form: .text(length: 1...64, format: .tagName), example: "plan")

  static let tags = APISchema.map(of: .text(0...256, like: "pro"), names: key, 0...Tag.maximumCount)

  static let changes = APISchema.named(
    "TagChanges",
    .object([
      .required(
        "tags", .map(of: .nullable(.text(0...256, like: "pro")), names: key, 0...Tag.maximumCount),
        "By key the value to set; null takes the tag away. Tags that are not named stay.")
    ]))

  /// A tag in a query: `key=value`, or `key` for an empty value.
  static let filter = APISchema(form: .text(length: 1...321, format: .tag), example: "plan=pro")
}

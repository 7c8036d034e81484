import ArgumentParser

/// How a command writes what it was asked for.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// Aligned columns for people.
  case table
  /// One JSON document; lists as `{"items": […], "next_cursor": …}`.
  case json
  /// One JSON document a line, one line an item.
  case ndjson
  /// Comma-separated values with a header (RFC 4180).
  case csv
}

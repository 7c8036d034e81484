/// Why the demo could not be shown. The description is a sentence that says what to do.
struct DemoError: Error, CustomStringConvertible {
  /// What went wrong, where, and what would be right.
  let description: String

  /// Creates an error.
  ///
  /// - Parameter description: a sentence that says what to do.
  init(_ description: String) { self.description = description }
}

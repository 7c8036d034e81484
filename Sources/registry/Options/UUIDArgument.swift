import ArgumentParser
import Foundation

/// Ids of the registry's own objects.
enum UUIDArgument {
  /// Reads an id.
  ///
  /// - Parameter argument: The text.
  /// - Returns: The id.
  /// - Throws: `ValidationError` that says what an id looks like.
  static func parse(_ argument: String) throws -> UUID {
    guard let id = UUID(uuidString: argument) else {
      throw ValidationError("An id looks like 01939f6e-7a1c-7c3e-9d2f-5b8a4e6f0c11.")
    }
    return id
  }
}

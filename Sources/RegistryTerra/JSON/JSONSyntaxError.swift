/// Why bytes are not a JSON document, and at which byte (counted from 0) that shows.
package struct JSONSyntaxError: Error, Sendable, Hashable {
  /// What is wrong, as the end of the sentence "the body …".
  package let problem: String
  /// The offset of the byte at which it shows.
  package let offset: Int
}

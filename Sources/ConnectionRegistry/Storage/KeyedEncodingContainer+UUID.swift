package import Foundation

/// What the compiler writes for `Codable` takes these, here and wherever else in the package this module is imported: ids
/// are in lower case wherever they are shown (RFC 9562 asks for it), so that the id of an answer equals the id in a redirect.
extension KeyedEncodingContainer {
  package mutating func encode(_ value: UUID, forKey key: Key) throws {
    try encode(value.text, forKey: key)
  }

  package mutating func encodeIfPresent(_ value: UUID?, forKey key: Key) throws {
    try encodeIfPresent(value?.text, forKey: key)
  }
}

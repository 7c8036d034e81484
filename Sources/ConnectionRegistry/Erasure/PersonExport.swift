public import Foundation
import RegistryPostgres
import RegistrySQL

/// Everything that is held about one app user, as one JSON document: `{"items":[{"type":"event","data":{…}},…]}`.
///
/// A part is read when it is asked for, so that a slow reader makes the registry wait and memory holds one part. A document
/// that ends without its last bracket is not whole.
public struct PersonExport: AsyncSequence, Sendable {
  /// A piece of the document in UTF-8.
  public typealias Element = Data

  /// Reads one part of the items.
  typealias Part = @Sendable () async throws -> [Data]

  let parts: [Part]

  /// Begins to read.
  ///
  /// - Returns: an iterator, to be used by one task.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(parts: parts[...]) }

  /// One reader's way through the parts.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private var parts: ArraySlice<Part>
    private var items: ArraySlice<Data> = []
    private var written = 0
    private var hasEnded = false

    init(parts: ArraySlice<Part>) { self.parts = parts }

    /// Reads the next piece.
    ///
    /// - Returns: the piece; nil behind the last.
    /// - Throws: ``RegistryError`` of code `database_unavailable`.
    public mutating func next() async throws -> Data? {
      if hasEnded { return nil }
      while items.isEmpty {
        guard let part = parts.popFirst() else {
          hasEnded = true
          return Data((written == 0 ? #"{"items":["# : "").utf8) + Data("\n]}\n".utf8)
        }
        items = try await part()[...]
      }
      guard let item = items.popFirst() else { return nil }
      written += 1
      return Data((written == 1 ? "{\"items\":[\n" : ",\n").utf8) + item
    }
  }

  /// One item.
  struct Item<Content: Encodable>: Encodable {
    var type: String
    var data: Content
  }

  /// An item as it is written.
  static func item(_ type: String, _ data: some Encodable) throws -> Data {
    try RegistryJSON.encoder().encode(Item(type: type, data: data))
  }
}

/// What one of Terra's listings says of a connection.
struct ListedRecord: Encodable {
  var userID: String
  var referenceID: String?
  var resource: String?
  var scopes: String?
  var active: Bool?
  var askedAt: Date
}

/// What somebody did by hand.
struct AuditRecord: Encodable {
  var recordedAt: Date
  var actor: String
  var action: String
  var subject: String
  var detail: [String: String]
}

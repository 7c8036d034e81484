import Foundation

/// One reader's way through the feed, a page at a time, for servers.
package struct ChangeStream: Sendable {
  private var reader: ChangeReader

  init(reader: ChangeReader) { self.reader = reader }

  /// Whether nothing comes any more, because the registry or the task is shutting down.
  package var isOver: Bool { reader.isOver }

  /// The next changes.
  ///
  /// - Parameter time: how long to wait where there is none.
  /// - Returns: the changes; none when the time is over or nothing comes any more.
  /// - Throws: as ``Changes/page(tenant:after:limit:)``, and `CancellationError`.
  package mutating func next(within time: Duration) async throws -> ChangePage {
    let batch = try await reader.next(until: .now + time)
    return try reader.changes.page(of: reader.tenantID, batch)
  }
}

extension Changes {
  /// Begins to read for a client that stays.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - start: where to begin.
  ///   - limit: how many changes a page has at most.
  /// - Returns: the reader.
  /// - Throws: as ``page(tenant:after:limit:)``, but for what only reading can tell.
  package func stream(tenant: String, after start: ChangeStart, limit: Int) async throws -> ChangeStream {
    let id = try await directory.require(tenant).tenant.id
    return ChangeStream(reader: reader(id, after: try await position(of: id, start), limit: limit))
  }
}

import Foundation
import Logging
import RegistryPostgres
import ServiceLifecycle

/// The changes of a tenant, one after the other, for as long as somebody asks for the next.
///
/// Each iteration follows by itself. What it holds, a page of changes at most, it gives up when it is dropped or its task
/// is cancelled.
public struct ChangeSequence: AsyncSequence, Sendable {
  let changes: Changes
  let tenant: String
  let consumer: String?
  let start: ChangeStart

  /// How many changes are read at a time.
  static let pageLimit = 200

  /// Begins to follow.
  ///
  /// - Returns: an iterator, to be used by one task.
  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(sequence: self)
  }

  /// One reader's way through the feed.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private static let firstPause: Duration = .milliseconds(100)
    private static let longestPause: Duration = .seconds(5)

    let sequence: ChangeSequence
    private var reader: ChangeReader?
    private var read: ArraySlice<PlacedChange> = []

    init(sequence: ChangeSequence) {
      self.sequence = sequence
    }

    /// Waits for the next change.
    ///
    /// - Returns: the change; nil once the registry, or the service in which this runs, shuts down.
    /// - Throws: ``RegistryError`` and `CancellationError`, as ``Changes/callAsFunction(tenant:consumer:startingAt:)`` says.
    public mutating func next() async throws -> FollowedChange? {
      let changes = sequence.changes
      var pause = Self.firstPause
      while read.isEmpty {
        guard !changes.waker.isFinished, !Task.isShuttingDownGracefully else { return nil }
        do {
          var reader = try await currentReader()
          read = try await reader.next().changes[...]
          self.reader = reader
          if read.isEmpty { return nil }
        } catch RegistryError.Code.databaseUnavailable {
          // Its place is kept, so the outage costs time only.
          changes.logger.warning(
            "a reader of the change feed waits for the database", metadata: ["tenant": "\(sequence.tenant)"])
          try await Task.sleep(for: pause * Double.random(in: 0.5...1))
          pause = Swift.min(pause * 2, Self.longestPause)
        }
      }
      guard let next = read.popFirst(), let tenantID = reader?.tenantID else { return nil }
      return FollowedChange(
        change: next.change, place: next.place, changes: changes, tenantID: tenantID, consumer: sequence.consumer)
    }

    private func currentReader() async throws -> ChangeReader {
      if let reader { return reader }
      let changes = sequence.changes
      let id = try await changes.directory.require(sequence.tenant).tenant.id
      let place =
        if let consumer = sequence.consumer {
          try await changes.begin(id, consumer, at: sequence.start)
        } else {
          try await changes.position(of: id, sequence.start)
        }
      return changes.reader(id, after: place, limit: ChangeSequence.pageLimit)
    }
  }
}

/// A change that a reader follows, with the means to acknowledge it.
@dynamicMemberLookup
public struct FollowedChange: Sendable {
  /// The change.
  public let change: Change
  let place: ChangePosition
  let changes: Changes
  let tenantID: UUID
  let consumer: String?

  /// A member of the change.
  ///
  /// - Parameter member: which.
  /// - Returns: its value.
  public subscript<Value>(dynamicMember member: KeyPath<Change, Value>) -> Value { change[keyPath: member] }

  /// Says that this change, and so every one before it, is done with; it does not come again.
  ///
  /// To acknowledge every hundredth change does as well: it only decides what comes again after a restart.
  ///
  /// - Throws: `not_found` when the consumer was removed, `database_unavailable`.
  public func acknowledge() async throws {
    guard let consumer else { return }
    _ = try await changes.acknowledge(tenantID, consumer, place)
  }
}

import Foundation
import NIOConcurrencyHelpers
import RegistryModel

/// Which minute of data was last written for a connection, so that a stream of data webhooks costs one write a minute.
///
/// Forgetting costs a write that changes nothing; so the memory is bounded, and a restart needs nothing.
final class DataMinutes: Sendable {
  static let capacity = 100_000

  private struct Key: Hashable {
    var tenantID: UUID
    var userID: String
  }

  private let minutes = NIOLockedValueBox<[Key: OrderKey]>([:])

  func isNew(_ minute: OrderKey, tenantID: UUID, userID: String) -> Bool {
    minutes.withLockedValue { all in all[Key(tenantID: tenantID, userID: userID)].map { $0 < minute } ?? true }
  }

  func remember(_ minute: OrderKey, tenantID: UUID, userID: String) {
    minutes.withLockedValue { all in
      if all.count >= Self.capacity { all.removeAll(keepingCapacity: true) }
      let key = Key(tenantID: tenantID, userID: userID)
      all[key] = max(all[key] ?? minute, minute)
    }
  }
}

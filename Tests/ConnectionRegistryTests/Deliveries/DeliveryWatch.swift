import Foundation
import NIOConcurrencyHelpers

/// Tells the tests of a database when an attempt was recorded, so that they need not ask again and again.
final class DeliveryWatch: Sendable {
  static let shared = DeliveryWatch()

  private let watchers = NIOLockedValueBox<[String: [UUID: AsyncStream<Void>.Continuation]]>([:])

  /// Says that an attempt was recorded.
  func tick(_ database: String) {
    for watcher in watchers.withLockedValue({ $0[database, default: [:]] }).values { watcher.yield() }
  }

  /// The attempts that are recorded from now on; many at once may come as one.
  func ticks(_ database: String) -> AsyncStream<Void> {
    let (stream, input) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = UUID()
    watchers.withLockedValue { $0[database, default: [:]][id] = input }
    input.onTermination = { [watchers] _ in watchers.withLockedValue { $0[database]?[id] = nil } }
    return stream
  }
}

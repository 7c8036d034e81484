import Foundation
import NIOConcurrencyHelpers

/// The places that a schedule could not take. Each is passed over for a while, so that however many they are, they do not
/// stand before all others at every look: twice as long each time, until something about the place has changed.
final class PassedOverPlaces: Sendable {
  private struct Entry {
    var version: Int
    var span: ClosedRange<Date>
    var times: Int
  }

  /// How often the time is doubled.
  private static let doublings = 3

  private let entries = NIOLockedValueBox<[UUID: Entry]>([:])

  /// Passes a place over.
  ///
  /// - Parameters:
  ///   - place: the place, as it was read.
  ///   - now: the schedule's time.
  ///   - seconds: how long, the first time.
  func add(_ place: ReconciliationSchedule.Place, from now: Date, seconds: Double) {
    entries.withLockedValue { entries in
      let before = entries[place.tenantID].flatMap { $0.version == place.version ? $0.times : nil } ?? 0
      let span = now...now.addingTimeInterval(seconds * Double(1 << min(before, Self.doublings)))
      entries[place.tenantID] = Entry(version: place.version, span: span, times: before + 1)
    }
  }

  /// Forgets a place that was taken.
  func remove(_ tenantID: UUID) {
    entries.withLockedValue { _ = $0.removeValue(forKey: tenantID) }
  }

  /// Whether a place is passed over at a time. A time before it was tried is a clock that went back.
  func contains(_ place: ReconciliationSchedule.Place, at now: Date) -> Bool {
    entries.withLockedValue { entries in
      entries[place.tenantID].map { $0.version == place.version && $0.span.contains(now) } ?? false
    }
  }

  /// How many there are at most.
  var count: Int { entries.withLockedValue { $0.count } }
}

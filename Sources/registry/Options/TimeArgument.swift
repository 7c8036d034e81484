import ArgumentParser
import ConnectionRegistry
import Foundation

/// A moment with its zone: `2026-03-01T09:30:00Z`.
struct TimeArgument: ExpressibleByArgument, Sendable, Hashable {
  let date: Date

  /// Reads a moment.
  ///
  /// - Parameter argument: A time as RFC 3339 writes it; `nil` for anything else.
  init?(argument: String) {
    guard let date = RFC3339.date(from: argument) else { return nil }
    self.date = date
  }
}

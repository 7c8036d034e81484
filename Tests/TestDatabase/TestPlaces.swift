import Foundation

/// A bounded number of places for tests that run at once. First come, first served.
package final class TestPlaces: @unchecked Sendable {
  // Both are only touched under the lock.
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []
  private let lock = NSLock()

  /// Makes places.
  ///
  /// - Parameter count: How many.
  package init(_ count: Int) {
    free = count
  }

  /// Takes a place, waiting for one to be given back when there is none.
  package func take() async {
    await withCheckedContinuation { continuation in
      let isFree = lock.withLock {
        guard free > 0 else {
          waiting.append(continuation)
          return false
        }
        free -= 1
        return true
      }
      if isFree { continuation.resume() }
    }
  }

  /// Gives a place back, to the one that has waited longest.
  package func giveBack() {
    let next = lock.withLock { () -> CheckedContinuation<Void, Never>? in
      guard !waiting.isEmpty else {
        free += 1
        return nil
      }
      return waiting.removeFirst()
    }
    next?.resume()
  }
}

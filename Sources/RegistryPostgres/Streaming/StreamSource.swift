import NIOConcurrencyHelpers

/// Hands out what a session streams one by one, asking for more only when all that came was handed out.
final class StreamSource<Element: Sendable>: Sendable {
  typealias Fetch =
    @Sendable (Session, OpenStream.Number, ContinuousClock.Instant) async throws(PostgresError) -> [Element]

  private struct State {
    var elements: [Element] = []
    var next = 0
    var isOpen = true
    var isAtEnd = false
  }

  private enum Step {
    case element(Element), end, fetch
  }

  private let scope: StreamScope
  private let number: OpenStream.Number
  private let fetch: Fetch
  private let state = NIOLockedValueBox(State())

  init(_ scope: StreamScope, _ number: OpenStream.Number, fetch: @escaping Fetch) {
    self.scope = scope
    self.number = number
    self.fetch = fetch
  }

  /// The next element; `nil` at the end.
  func next() async throws(PostgresError) -> Element? {
    while true {
      switch try step() {
      case .element(let element): return element
      case .end: return nil
      case .fetch: break
      }
      let elements: [Element]
      do throws(PostgresError) {
        elements = try await fetch(scope.session, number, scope.nextDeadline)
      } catch {
        throw scope.placed(error)
      }
      state.withLockedValue { state in
        state.elements = elements
        state.next = 0
        state.isAtEnd = elements.isEmpty
      }
    }
  }

  /// Refuses every further use.
  func close() {
    state.withLockedValue { $0 = State(isOpen: false) }
  }

  private func step() throws(PostgresError) -> Step {
    let step = state.withLockedValue { state -> Step? in
      guard state.isOpen else { return nil }
      guard state.next < state.elements.count else { return state.isAtEnd ? .end : .fetch }
      defer { state.next += 1 }
      return .element(state.elements[state.next])
    }
    guard let step else {
      throw PostgresError(.closed, "the stream is used after its closure ended; keep all work inside the closure")
    }
    return step
  }
}

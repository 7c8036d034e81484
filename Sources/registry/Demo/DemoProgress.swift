import Foundation
import Synchronization

/// Says on standard error how far the demo is: one line that changes on a terminal, plain lines elsewhere.
final class DemoProgress: Sendable {
  private struct State {
    var step = ""
    var isOpen = false
    var lastPlain = ContinuousClock.now
  }

  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let state = Mutex(State())
  private let began = ContinuousClock.now

  /// Seconds since the demo began.
  var elapsed: Double { (ContinuousClock.now - self.began) / .seconds(1) }

  /// Begins a step.
  ///
  /// - Parameter step: what is done now, without a full stop.
  func begin(_ step: String) {
    self.state.withLock { state in
      self.close(&state)
      state.step = step
      state.lastPlain = .now
      StandardError.write(self.isTerminal ? self.line(step) : self.line(step) + "\n")
      state.isOpen = self.isTerminal
    }
  }

  /// Says how far the step is.
  ///
  /// - Parameter detail: the present figures.
  func update(_ detail: String) {
    self.state.withLock { state in
      let text = self.line("\(state.step): \(detail)")
      if self.isTerminal {
        StandardError.write("\r\u{1b}[2K" + text)
        state.isOpen = true
      } else if ContinuousClock.now - state.lastPlain >= .seconds(5) {
        state.lastPlain = .now
        StandardError.write(text + "\n")
      }
    }
  }

  /// Ends the line, so that others can write.
  func end() {
    self.state.withLock { self.close(&$0) }
  }

  private func close(_ state: inout State) {
    if state.isOpen { StandardError.write("\n") }
    state.isOpen = false
  }

  private func line(_ text: String) -> String {
    let seconds = String(Int(self.elapsed))
    return String(repeating: " ", count: max(0, 4 - seconds.count)) + seconds + " s  " + text
  }
}

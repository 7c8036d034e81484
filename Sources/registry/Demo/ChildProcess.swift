import Foundation
import Synchronization

/// Another process, in a process group of its own, so that a key pressed on the terminal reaches only the demo.
final class ChildProcess: Sendable {
  /// The process's id.
  let processID: Int32
  private let ending: Ending
  // Foundation forgets to tell about the end of a process that nobody holds.
  private let held: Mutex<Process>

  /// How a process ended, for all who wait.
  private final class Ending: Sendable {
    private let state = Mutex<(status: Int32?, waiters: [CheckedContinuation<Int32, Never>])>((nil, []))

    var status: Int32? { self.state.withLock { $0.status } }

    func resolve(_ status: Int32) {
      let waiters = self.state.withLock { state in
        state.status = status
        defer { state.waiters = [] }
        return state.waiters
      }
      for waiter in waiters { waiter.resume(returning: status) }
    }

    func wait() async -> Int32 {
      await withCheckedContinuation { continuation in
        let status = self.state.withLock { state in
          if state.status == nil { state.waiters.append(continuation) }
          return state.status
        }
        if let status { continuation.resume(returning: status) }
      }
    }
  }

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - path: the program.
  ///   - arguments: its arguments.
  ///   - environment: its whole environment.
  ///   - input: where its standard input comes from; nothing when nil.
  ///   - output: where both of its outputs go, or its standard output where `errors` is given.
  ///   - errors: where its standard error goes.
  /// - Throws: `CocoaError` when it cannot be started.
  init(
    _ path: String, _ arguments: [String], environment: [String: String], input: Pipe? = nil, output: FileHandle,
    errors: FileHandle? = nil
  ) throws {
    let process = Process()
    let ending = Ending()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = environment
    process.standardInput = input ?? FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors ?? output
    process.terminationHandler = { ended in
      ending.resolve(ended.terminationReason == .exit ? ended.terminationStatus : -ended.terminationStatus)
    }
    try process.run()
    self.processID = process.processIdentifier
    self.ending = ending
    self.held = Mutex(process)
  }

  /// Whether it has not ended yet.
  var isRunning: Bool { self.ending.status == nil }

  /// Waits for its end.
  ///
  /// - Returns: its exit code, or the number of the signal that ended it, below zero.
  func waitForEnd() async -> Int32 { await self.ending.wait() }

  /// Sends a signal.
  ///
  /// - Parameter signal: the signal's number.
  func send(_ signal: Int32) {
    if self.isRunning { kill(self.processID, signal) }
  }
}

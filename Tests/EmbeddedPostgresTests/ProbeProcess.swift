import Foundation
import Subprocess
import SystemPackage
import Testing

@testable import EmbeddedPostgres

/// A process of a plain account that uses a private cluster: `EmbeddedPostgresProbe`.
actor ProbeProcess {
  /// The account it runs as: the current one, or `nobody` when that is root.
  static let plainAccount = geteuid() == 0 ? ServerAccount(named: "nobody") : try? ServerAccount.current()

  private let input: StandardInputWriter
  private let lines: LineReader
  private let processID: pid_t

  private init(input: StandardInputWriter, lines: LineReader, processID: pid_t) {
    self.input = input
    self.lines = lines
    self.processID = processID
  }

  /// Runs the probe on a state directory, and the body beside it.
  ///
  /// - Parameters:
  ///   - state: The state directory.
  ///   - body: Talks with the probe; afterwards the probe's input ends, whatever was left undone.
  /// - Returns: Whether the probe ended well.
  /// - Throws: What the body throws.
  static func run(_ state: String, _ body: @Sendable (ProbeProcess) async throws -> Void) async throws -> Bool {
    let (program, arguments) = try command(state)
    let result = try await Subprocess.run(
      .path(FilePath(program)), arguments: Arguments(arguments), input: .inputWriter, output: .sequence,
      error: .currentStandardError
    ) { execution in
      let lines = LineReader(execution.standardOutput)
      let probe = ProbeProcess(
        input: execution.standardInputWriter, lines: lines, processID: execution.processIdentifier.value)
      try await body(probe)
      try? await execution.standardInputWriter.finish()
      while try await lines.next() != nil {}
    }
    return result.terminationStatus.isSuccess
  }

  /// Runs the probe to its end, without anything to wait for.
  ///
  /// - Parameter state: The state directory.
  /// - Returns: Everything that it said, on one line.
  /// - Throws: When it cannot be run.
  static func output(_ state: String) async throws -> String {
    let (program, arguments) = try command(state)
    let result = try await Subprocess.run(
      .path(FilePath(program)), arguments: Arguments(arguments), output: .string(limit: 1 << 16),
      error: .currentStandardError)
    return result.standardOutput.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  /// The next line that the probe says.
  func nextLine() async throws -> String {
    try #require(try await lines.next(), "The probe said no more.")
  }

  /// Ends the probe's input, upon which it stops its cluster.
  func endInput() async throws {
    try await input.finish()
  }

  /// Kills the probe without any warning.
  nonisolated func crash() {
    kill(processID, SIGKILL)
  }

  private static func command(_ state: String) throws -> (program: String, arguments: [String]) {
    let directory = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    let probe = directory + "/EmbeddedPostgresProbe"
    guard geteuid() == 0 else { return (probe, [state]) }
    let account = try #require(plainAccount)
    var words = ["--reuid=\(account.userID)", "--regid=\(account.groupID)", "--clear-groups"]
    if FileStatus.firstUnreachable(on: probe, by: account) != nil {
      // A clone below root's home: the account must be able to read the program, and is plain otherwise.
      let reading = try readingCapability()
      words += ["--inh-caps=+\(reading)", "--ambient-caps=+\(reading)"]
    }
    return ("/usr/bin/setpriv", words + ["--", probe, state])
  }

  private static func readingCapability() throws -> String {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let bounding = try #require(status.split(separator: "\n").first { $0.hasPrefix("CapBnd:") })
    let bits = try #require(UInt64(bounding.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16))
    // Capability 2 is CAP_DAC_READ_SEARCH; containers often grant only CAP_DAC_OVERRIDE, which holds it.
    return bits & (1 << 2) != 0 ? "dac_read_search" : "dac_override"
  }
}

/// Reads a program's output line by line, for one reader at a time.
actor LineReader {
  private var iterator: SubprocessOutputSequence.Iterator
  private var buffer: [UInt8] = []
  private var isAtEnd = false

  init(_ sequence: SubprocessOutputSequence) {
    iterator = sequence.makeAsyncIterator()
  }

  /// The next line, or `nil` at the end.
  func next() async throws -> String? {
    while true {
      if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: buffer[..<end], as: UTF8.self)
        buffer.removeSubrange(...end)
        return line
      }
      guard !isAtEnd else { return nil }
      var reading = iterator
      let chunk = try await reading.next()
      iterator = reading
      guard let chunk else {
        isAtEnd = true
        continue
      }
      buffer += chunk.withUnsafeBytes { Array($0) }
    }
  }
}

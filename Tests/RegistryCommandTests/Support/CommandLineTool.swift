import Foundation
import Subprocess
import SystemPackage
import TestDatabase
import Testing

/// The built executable, run from end to end.
enum CommandLineTool {
  /// What a run left behind.
  struct Outcome: Sendable {
    /// The exit code; negative numbers are signals.
    var code: Int32
    var output: String
    var errors: String

    /// The output as JSON.
    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any], "\(output)\(errors)")
    }
  }

  /// The executable, which the test runner lies beside.
  static let path: String = {
    let runner = Bundle.main.executableURL ?? URL(filePath: CommandLine.arguments[0])
    return runner.resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "registry").path
  }()

  /// A master key of the tests. Nothing that it seals outlives them.
  static let masterKey = Data(repeating: 7, count: 32).base64EncodedString()

  /// The environment of a run: nothing of the caller's decides where the database is.
  static func environment(database: String?, _ more: [String: String]) -> Environment {
    var variables = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "HOME": "/tmp"]
    // Tests run what they look at.
    variables["REGISTRY_RECONCILE_EVERY"] = "off"
    if let database {
      variables["REGISTRY_DATABASE_URL"] = database
      variables["REGISTRY_MASTER_KEYS"] = masterKey
    }
    variables.merge(more) { _, new in new }
    return .custom(
      Dictionary(uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0.key), $0.value) }))
  }

  /// Runs a command to its end.
  ///
  /// - Parameters:
  ///   - arguments: Its arguments.
  ///   - database: Its database; nil gives none.
  ///   - environment: More variables.
  ///   - input: What it is given on standard input, and need not read.
  /// - Returns: How it ended and what it wrote.
  /// - Throws: `SubprocessError` when it cannot be run at all.
  static func run(
    _ arguments: [String], database: String? = TestDatabase.current, environment: [String: String] = [:],
    input: String = ""
  ) async throws -> Outcome {
    let record = try await Subprocess.run(
      .path(FilePath(path)), arguments: Arguments(arguments),
      environment: Self.environment(database: database, environment), input: .inputWriter,
      output: .string(limit: 4 << 20), error: .string(limit: 4 << 20)
    ) { await $0.feed(input) }
    let code: Int32 =
      switch record.terminationStatus {
      case .exited(let code): code
      case .signaled(let signal): -signal
      }
    return Outcome(code: code, output: record.standardOutput, errors: record.standardError)
  }

  /// Runs a command that must succeed, and reads its JSON.
  static func json(
    _ arguments: [String], database: String? = TestDatabase.current, environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> [String: Any] {
    let outcome = try await run(arguments + ["--format", "json"], database: database, environment: environment)
    #expect(outcome.code == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
    return try outcome.json()
  }
}

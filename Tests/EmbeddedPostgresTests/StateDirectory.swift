import EmbeddedPostgres
import Foundation
import TestDatabase
import Testing

/// A state directory for one test, removed with its server however the test ends.
struct StateDirectory: Sendable {
  let path: String

  /// Making a cluster keeps a processor busy for a second: more at once would only run into their time limits.
  private static let places = TestPlaces(3)

  /// Runs the body with a new directory that every account may pass through.
  static func with<Result>(_ body: (StateDirectory) async throws -> Result) async throws -> Result {
    await places.take()
    defer { places.giveBack() }
    var template = Array("/tmp/registry-embedded-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    chmod(path, 0o777)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(StateDirectory(path: path))
  }

  /// A configuration for a cluster below this directory, without the flushing that only costs time here.
  func configuration(_ name: String = "state") -> EmbeddedPostgres.Configuration {
    var configuration = EmbeddedPostgres.Configuration(stateDirectory: path + "/" + name)
    configuration.durability = .volatile
    // All tests at once keep a machine so busy that a server takes its time.
    configuration.startTimeout = .seconds(300)
    return configuration
  }

  /// The process id in the file that a running or killed server leaves.
  func serverProcess(_ name: String = "state") throws -> pid_t {
    let text = try String(contentsOfFile: path + "/" + name + "/postgres/data/postmaster.pid", encoding: .utf8)
    return try #require(text.split(separator: "\n").first.flatMap { pid_t($0) })
  }

  /// Whether a server runs here.
  func hasServer(_ name: String = "state") -> Bool {
    guard let process = try? serverProcess(name) else { return false }
    return Self.isRunning(process)
  }

  /// Whether a process runs. One that has ended and that nobody has waited for does not.
  static func isRunning(_ process: pid_t) -> Bool {
    guard kill(process, 0) == 0 else { return false }
    let commandLine = FileManager.default.contents(atPath: "/proc/\(process)/cmdline")
    return commandLine.map { !$0.isEmpty } ?? true
  }
}

extension EmbeddedPostgres {
  /// What `psql` answers, as the superuser in the configured database.
  func query(_ text: String) async throws -> String {
    try await runClient("psql", [connectionInfo, "-XAtqc", text])
  }
}

/// Runs the body and returns the sentence of the error with this code.
func message(
  of code: EmbeddedPostgresError.Code, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () async throws -> Void
) async throws -> String {
  let error = await #expect(throws: EmbeddedPostgresError.self, sourceLocation: sourceLocation) { try await body() }
  #expect(error?.code == code, sourceLocation: sourceLocation)
  return try #require(error?.message, sourceLocation: sourceLocation)
}

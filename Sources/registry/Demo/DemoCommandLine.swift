import Foundation

/// Runs commands of this executable, as an operator would.
struct DemoCommandLine: Sendable {
  /// This executable.
  let executable: String
  /// The environment of the commands.
  let environment: [String: String]
  /// Where their outputs are put aside.
  let directory: DemoDirectory

  /// Finds the executable that is running.
  static var ownExecutable: String {
    let own = "/proc/self/exe"
    if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: own) { return target }
    return Bundle.main.executablePath ?? CommandLine.arguments.first ?? "registry"
  }

  /// The environment of this process without any setting of the registry or of libpq, so that the demo touches nothing
  /// but what is its own.
  static func environment(adding settings: [String: String]) -> [String: String] {
    ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("REGISTRY_") && !$0.key.hasPrefix("PG") }
      .merging(settings) { _, new in new }
  }

  /// Runs a command to its end.
  ///
  /// - Parameters:
  ///   - arguments: the command's words.
  ///   - settings: variables for this command only.
  /// - Returns: what it wrote to its standard output.
  /// - Throws: ``DemoError`` with what it said when it does not exit with 0.
  @discardableResult
  func run(_ arguments: [String], settings: [String: String] = [:]) async throws -> Data {
    let name = "\(self.directory.path)/\(UUID().uuidString)"
    let files = (name + ".out", name + ".err")
    defer {
      unlink(files.0)
      unlink(files.1)
    }
    let process = try ChildProcess(
      self.executable, arguments, environment: self.environment.merging(settings) { _, new in new },
      output: try DemoDirectory.open(files.0), errors: try DemoDirectory.open(files.1))
    let status = await process.waitForEnd()
    guard status == 0 else {
      let said = (try? String(contentsOfFile: files.1, encoding: .utf8)) ?? ""
      throw DemoError(
        "`registry \(arguments.joined(separator: " "))` ended with \(status): "
          + said.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    return try Data(contentsOf: URL(fileURLWithPath: files.0))
  }

  /// Runs a command that prints JSON.
  ///
  /// - Parameters:
  ///   - arguments: the command's words, without the format.
  ///   - settings: variables for this command only.
  /// - Returns: the document.
  /// - Throws: ``DemoError`` when the command fails, `DecodingError` when it prints something else.
  func json(_ arguments: [String], settings: [String: String] = [:]) async throws -> JSONValue {
    let data = try await self.run(arguments + ["--format", "json"], settings: settings)
    return try JSONDecoder().decode(JSONValue.self, from: data)
  }
}

import Foundation

/// What a simulation reads beside its own code: the oracle, and the statements that put its clock into a database.
struct SimulationFiles: Sendable {
  /// The oracle.
  let oracle: DemoOracle
  /// Puts the clock into a database.
  let clock: String
  /// Sets the clock; takes the seconds that it is ahead.
  let advance: String

  /// Finds the files beside the oracle.
  ///
  /// - Parameter oracle: the path of `scripts/oracle.py`; nil looks for it above the executable and the present directory.
  /// - Throws: ``DemoError`` when one is not there, `CocoaError` when it cannot be read.
  init(oracle: String?) throws {
    self.oracle = try DemoOracle(given: oracle, executable: DemoCommandLine.ownExecutable)
    let statements = URL(fileURLWithPath: self.oracle.path).deletingLastPathComponent()
      .appendingPathComponent("../sql/simulation").standardized.path
    guard FileManager.default.isReadableFile(atPath: statements + "/clock.sql") else {
      throw DemoError("There is no \(statements)/clock.sql: a simulation takes the whole repository.")
    }
    clock = try String(contentsOfFile: statements + "/clock.sql", encoding: .utf8)
    advance = try String(contentsOfFile: statements + "/advance.sql", encoding: .utf8)
  }
}

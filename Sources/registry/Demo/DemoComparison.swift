import Foundation

/// What the oracle says: expected against found.
struct DemoComparison: Decodable, Sendable {
  /// One subject that differs.
  struct Subject: Decodable, Sendable {
    /// The tenant's slug.
    let tenant: String
    /// The subject's id.
    let subject: String
  }

  /// One kind of finding.
  struct Kind: Decodable, Sendable {
    /// The kind.
    let kind: String
    /// How many the ledger asks for.
    let expected: Int
    /// How many the registry has open.
    let found: Int
    /// Expected, but not found.
    let missing: [Subject]
    /// Found, but not expected.
    let surplus: [Subject]

    /// Whether both sides are the same, subject by subject.
    var agrees: Bool { self.missing.isEmpty && self.surplus.isEmpty }
  }

  /// Something that was acknowledged and is missing, or stands there and never happened.
  struct Breach: Decodable, Sendable {
    /// What is broken.
    let check: String
    /// The tenant's slug.
    let tenant: String
    /// What it is about.
    let subject: String
  }

  /// Whether everything agrees.
  let agrees: Bool
  /// All kinds of the local pass, in the order of the design.
  let kinds: [Kind]
  /// Everything that was lost or invented.
  let breaches: [Breach]
  /// How many tries broke off or straddled a threshold, so that only the registry knows what became of them.
  let decidedByTheRegistry: Int
  /// How many events must stand in the registry.
  let events: Int

  enum CodingKeys: String, CodingKey {
    case agrees, kinds, breaches, events
    case decidedByTheRegistry = "decided_by_the_registry"
  }
}

/// The oracle: a program of its own, which shares no code with the registry.
struct DemoOracle: Sendable {
  /// The script.
  let path: String

  /// Finds the script: where it was said to be, else `scripts/oracle.py` above the executable or the present directory.
  ///
  /// - Parameters:
  ///   - given: the path of the command line.
  ///   - executable: this executable.
  /// - Throws: ``DemoError`` when it is not there.
  init(given: String?, executable: String) throws {
    if let given {
      guard FileManager.default.fileExists(atPath: given) else { throw DemoError("There is no oracle at \(given).") }
      self.path = given
      return
    }
    for start in [FileManager.default.currentDirectoryPath, URL(fileURLWithPath: executable).path] {
      var directory = URL(fileURLWithPath: start)
      while directory.path.count > 1 {
        let candidate = directory.appendingPathComponent("scripts/oracle.py").path
        if FileManager.default.fileExists(atPath: candidate) {
          self.path = candidate
          return
        }
        directory.deleteLastPathComponent()
      }
    }
    throw DemoError("scripts/oracle.py is not to be found from here; name it with --oracle.")
  }

  /// Makes sure that the script can run, before anything is begun that takes minutes.
  ///
  /// - Throws: ``DemoError`` when Python is missing or too old.
  func check() async throws {
    let process = try ChildProcess(
      "/usr/bin/env", ["python3", "-c", "import sys; sys.exit(sys.version_info < (3, 10))"],
      environment: DemoCommandLine.environment(adding: [:]), output: .nullDevice)
    guard await process.waitForEnd() == 0 else {
      throw DemoError("The demo's oracle takes Python 3.10 or later as python3: install it (apt-get install python3).")
    }
  }

  /// Holds found against expected.
  ///
  /// - Parameters:
  ///   - directory: has ledger, parameters and lists.
  ///   - environment: the environment of the process.
  /// - Returns: the comparison.
  /// - Throws: ``DemoError`` when it cannot be made.
  func compare(_ directory: DemoDirectory, environment: [String: String]) async throws -> DemoComparison {
    let log = directory.path + "/oracle.log"
    let process = try ChildProcess(
      "/usr/bin/env",
      [
        "python3", self.path, "--ledger", directory.ledger, "--parameters", directory.parameters, "--found",
        directory.found, "--json", directory.comparison,
      ], environment: environment, output: try DemoDirectory.open(log))
    let status = await process.waitForEnd()
    guard status == 0 || status == 1, let data = FileManager.default.contents(atPath: directory.comparison) else {
      let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      throw DemoError("The oracle (\(self.path), python3) ended with \(status): \(said)")
    }
    return try JSONDecoder().decode(DemoComparison.self, from: data)
  }
}

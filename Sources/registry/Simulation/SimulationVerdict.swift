import Foundation

/// What the oracle says of one world.
struct SimulationVerdict: Decodable, Sendable {
  /// One subject that differs.
  struct Subject: Decodable, Sendable {
    /// The tenant's slug.
    let tenant: String
    /// The subject's id.
    let subject: String
    /// The number of the moment.
    let moment: Int
  }

  /// One kind of finding, over all comparisons.
  struct Kind: Decodable, Sendable {
    /// The kind.
    let kind: String
    /// How many the ledger asks for.
    let expected: Int
    /// How many were found.
    let found: Int
    /// Expected, but not found.
    let missing: [Subject]
    /// Found, but not expected.
    let surplus: [Subject]
  }

  /// Something that must never be.
  struct Breach: Decodable, Sendable {
    /// What is broken.
    let check: String
    /// The tenant's slug.
    let tenant: String
    /// What it is about.
    let subject: String
    /// The number of the moment.
    let moment: Int

    /// The check that fails when something that lives at Terra has ended here.
    static let wrongEnding = "live_connection_ended"
  }

  /// Whether everything agrees.
  let agrees: Bool
  /// All kinds, in the order of the design.
  let kinds: [Kind]
  /// Everything that must never be, and is.
  let breaches: [Breach]
  /// How many findings were due so close to a comparison that they may be there or not.
  let onTheEdge: Int
  /// How often everything was compared.
  let comparisons: Int
  /// How many connections live on here until a person decides.
  let leftToPeople: Int
  /// How many connections lived at Terra in the end.
  let alive: Int
  /// How often each blind spot of the design lay in what happened.
  let blindSpots: [String: Int]

  enum CodingKeys: String, CodingKey {
    case agrees, kinds, breaches, comparisons, alive
    case onTheEdge = "on_the_edge"
    case leftToPeople = "left_to_people"
    case blindSpots = "blind_spots"
  }
}

extension DemoOracle {
  /// Has a world judged.
  ///
  /// - Parameter directory: has ledger and story.
  /// - Returns: the verdict.
  /// - Throws: ``DemoError`` when there is none.
  func judge(_ directory: SimulationDirectory) async throws -> SimulationVerdict {
    let script = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent("oracle_story.py").path
    let process = try ChildProcess(
      "/usr/bin/env",
      [
        "python3", script, "--ledger", directory.ledger, "--story", directory.story, "--json", directory.comparison,
      ], environment: DemoCommandLine.environment(adding: [:]), output: try DemoDirectory.open(directory.log))
    let status = await process.waitForEnd()
    guard status == 0 || status == 1, let data = FileManager.default.contents(atPath: directory.comparison) else {
      let said = (try? String(contentsOfFile: directory.log, encoding: .utf8)) ?? ""
      throw DemoError("The oracle (\(script), python3) ended with \(status): \(said)")
    }
    return try JSONDecoder().decode(SimulationVerdict.self, from: data)
  }
}

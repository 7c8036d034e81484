import Foundation

/// What all worlds of a simulation came to.
struct SimulationOutcome: Sendable {
  /// One kind of finding over all worlds.
  struct Kind: Sendable {
    /// The kind.
    let name: String
    /// How many must have been found.
    var expected = 0
    /// How many were found.
    var found = 0
    /// How many were found that must have been.
    var agreeing = 0

    /// The part of those found that must have been; nil where none was found.
    var precision: Double? { found == 0 ? nil : Double(agreeing) / Double(found) }
    /// The part of those that must have been found that was; nil where there was none to find.
    var recall: Double? { expected == 0 ? nil : Double(agreeing) / Double(expected) }
  }

  /// The first seed.
  let seed: UInt64
  /// What each seed came to.
  let worlds: [Simulation.World]
  /// PostgreSQL's major version.
  let postgresVersion: Int
  /// How long it took, in seconds.
  let seconds: Double

  /// All kinds, in the order of the design.
  var kinds: [Kind] {
    var kinds: [Kind] = []
    for world in worlds {
      for part in world.verdict.kinds {
        let index = kinds.firstIndex { $0.name == part.kind } ?? kinds.endIndex
        if index == kinds.endIndex { kinds.append(Kind(name: part.kind)) }
        kinds[index].expected += part.expected
        kinds[index].found += part.found
        kinds[index].agreeing += part.found - part.surplus.count
      }
    }
    return kinds
  }

  /// Connections that ended here while they lived at Terra, in any world.
  var wrongEndings: Int {
    worlds.reduce(0) { sum, world in
      sum + world.verdict.breaches.count { $0.check == SimulationVerdict.Breach.wrongEnding }
    }
  }

  /// Whatever else must never be.
  var otherBreaches: Int { worlds.reduce(0) { $0 + $1.verdict.breaches.count } - wrongEndings }

  /// Runs that found something new after everything was settled.
  var unsettledRuns: Int { worlds.reduce(0) { $0 + $1.unsettled.count } }

  /// The kinds that nothing ever called for: of these, agreement says nothing.
  var neverHappened: [String] { kinds.filter { $0.expected == 0 }.map(\.name) }

  /// Findings that fell due so close to a comparison that they were left out, as a part of all that must have been found.
  var leftOut: Double {
    let edge = worlds.reduce(0) { $0 + $1.verdict.onTheEdge }
    return Double(edge) / Double(max(1, edge + kinds.reduce(0) { $0 + $1.expected }))
  }

  /// So many worlds have every kind in them, and are enough for shares.
  private static let many = 100
  /// More than this part left out, and the comparison says too little.
  private static let leftOutBar = 0.02

  /// The checks with their bars.
  var checks: [DemoChecks.Check] {
    let parts = kinds.flatMap { kind in
      [("precision", kind.precision), ("recall", kind.recall)].map { name, value in
        DemoChecks.Check(
          name: "\(kind.name) \(name)", value: value ?? (kind.expected == kind.found ? 1 : 0), unit: "of 1", bar: 1,
          holds: value.map { $0 == 1 } ?? (kind.expected == kind.found))
      }
    }
    let none =
      [
        ("wrong_endings", wrongEndings, "connections"), ("lost_invented_or_left", otherBreaches, "records"),
        ("runs_that_find_something_new_at_the_end", unsettledRuns, "runs"),
      ] + (worlds.count < Self.many ? [] : [("kinds_that_never_happened", neverHappened.count, "kinds")])
    let edge = DemoChecks.Check(
      name: "left_out_at_the_edge", value: leftOut, unit: "of 1", bar: Self.leftOutBar,
      holds: leftOut <= Self.leftOutBar)
    return parts + (worlds.count < Self.many ? [] : [edge])
      + none.map { DemoChecks.Check(name: $0.0, value: Double($0.1), unit: $0.2, bar: 0, holds: $0.1 == 0) }
  }

  /// Whether every bar is held.
  var holds: Bool { checks.allSatisfy(\.holds) && worlds.allSatisfy(\.holds) }
}

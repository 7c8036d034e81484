import ConnectionRegistry
import Foundation

/// The outcome of a simulation as text for people.
struct SimulationReport: Sendable {
  private let outcome: SimulationOutcome

  /// - Parameter outcome: what all worlds came to.
  init(_ outcome: SimulationOutcome) { self.outcome = outcome }

  /// The whole report, line by line.
  var lines: [String] { [""] + table + [""] + figures + differences + [""] + [verdict] }

  private var table: [String] {
    let header = ["finding", "expected", "found", "precision", "recall"]
    let rows = outcome.kinds.map { kind in
      [
        kind.name, String(kind.expected), String(kind.found), Self.part(kind.precision), Self.part(kind.recall),
      ]
    }
    let layout = TableLayout(
      rows: [header] + rows, alignments: [.leading, .trailing, .trailing, .trailing, .trailing])
    return ([header] + rows).map { layout.line($0) }
  }

  private var figures: [String] {
    let verdicts = outcome.worlds.map(\.verdict)
    func sum(_ value: (SimulationVerdict) -> Int) -> String { String(verdicts.reduce(0) { $0 + value($1) }) }
    var spots: [String: Int] = [:]
    for verdict in verdicts { spots.merge(verdict.blindSpots, uniquingKeysWith: +) }
    let blind = spots.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    let rows = [
      ["seeds", String(outcome.worlds.count)], ["comparisons", sum(\.comparisons)],
      ["due at the very moment, left out", sum(\.onTheEdge)], ["blind spots met", blind.isEmpty ? "none" : blind],
      ["repairs", String(outcome.worlds.reduce(0) { $0 + $1.repaired })],
      ["alive at Terra in the end", sum(\.alive)], ["drift left to people", sum(\.leftToPeople)],
      ["wrong endings", String(outcome.wrongEndings)],
      ["runs that find something new at the end", String(outcome.unsettledRuns)],
    ]
    let layout = TableLayout(rows: rows, alignments: [.leading, .leading])
    return rows.map { layout.line($0) }
  }

  private var differences: [String] {
    var lines: [String] = []
    for world in outcome.worlds where !world.holds {
      lines += ["", "Seed \(world.seed):"]
      for kind in world.verdict.kinds {
        for (name, subjects) in [("missing", kind.missing), ("surplus", kind.surplus)] {
          lines += subjects.prefix(3).map { "  \(kind.kind), \(name): \($0.tenant) \($0.subject) (\($0.moment))" }
        }
      }
      lines += world.verdict.breaches.prefix(5).map { "  \($0.check): \($0.tenant) \($0.subject) (\($0.moment))" }
      lines += world.unsettled.prefix(3).map { "  a last run of \($0.tenant) is \($0.outcome), new \($0.foundNew)" }
    }
    return lines
  }

  private var verdict: String {
    let time = String(format: "%.0f s", outcome.seconds)
    let failing = outcome.worlds.filter { !$0.holds }.map(\.seed)
    guard let first = failing.first else {
      let never = outcome.neverHappened.joined(separator: ", ")
      return "Expected and found agree over \(outcome.worlds.count) seeds from \(outcome.seed) on, \(time)."
        + (never.isEmpty ? "" : " Never happened: \(never).")
    }
    return "\(failing.count) of \(outcome.worlds.count) seeds DIFFER, \(time). To repeat one: "
      + "scripts/simulate --seed \(first) --seeds 1"
  }

  private static func part(_ value: Double?) -> String { value.map { String(format: "%.4f", $0) } ?? "–" }
}

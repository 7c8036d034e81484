import Foundation
import TerraSandbox
import Testing

@testable import registry

struct DemoReportTests {
  @Test("Ranks are taken from the values themselves")
  func ranks() {
    #expect(DemoFigures.quantile(0.5, of: []) == 0)
    #expect(DemoFigures.quantile(0.5, of: [3]) == 3)
    #expect(DemoFigures.quantile(0.5, of: [1, 2, 3, 4]) == 2)
    #expect(DemoFigures.quantile(0.99, of: (1...200).map(Double.init)) == 198)
  }

  @Test("Agreement is told, with an example of each kind")
  func agreement() throws {
    let lines = DemoReport(try Self.outcome(surplus: "")).lines
    #expect(lines.contains { $0.hasPrefix("stale_session") && $0.hasSuffix("agrees") })
    #expect(lines.contains { $0.hasPrefix("Expected and found agree: 1 findings of 1 kinds") })
    #expect(lines.contains("    session  0198  2026-11-21T03:00:00Z"))
  }

  @Test("A difference is told subject by subject")
  func difference() throws {
    let outcome = try Self.outcome(surplus: #"{"tenant": "harbor", "subject": "0199"}"#)
    let lines = DemoReport(outcome).lines
    #expect(lines.contains { $0.hasPrefix("stale_session") && $0.hasSuffix("DIFFERS") })
    #expect(lines.contains("  stale_session, surplus: harbor 0199"))
    #expect(lines.contains { $0.hasPrefix("Expected and found DIFFER.") })
    let checks = DemoChecks(outcome).checks
    #expect(checks.map(\.name) == ["stale_session", "lost_or_invented"])
    #expect(checks.map(\.holds) == [false, true])
  }

  private static func outcome(surplus: String) throws -> DemoOutcome {
    let comparison = """
      {"agrees": \(surplus.isEmpty), "breaches": [], "decided_by_the_registry": 0, "events": 1, "kinds": [
        {"kind": "stale_session", "expected": 1, "found": \(surplus.isEmpty ? 1 : 2), "missing": [],
         "surplus": [\(surplus)]}]}
      """
    let example = """
      {"kind": "stale_session", "severity": "info", "tenant": "harbor", "summary": "Nothing came back.",
       "evidence": [{"type": "session", "id": "0198", "at": "2026-11-21T03:00:00Z"}]}
      """
    return DemoOutcome(
      seed: 1, appUsers: 1, figures: DemoFigures([]), repetitions: 0, problems: [], kills: 0, reconcileSeconds: 0.1,
      comparison: try JSONDecoder().decode(DemoComparison.self, from: Data(comparison.utf8)),
      examples: [try JSONDecoder().decode(JSONValue.self, from: Data(example.utf8))], postgresVersion: 17, seconds: 1)
  }
}

import Foundation
import Testing

/// `reconcile show`, and the page that it writes.
@Suite struct ReportCommandTests {
  /// Two sessions at one provider, one of them all the way, then a forged callback; and a run before and after that.
  private static func withTwoRuns(
    _ body: (_ deployment: Deployment, _ first: String, _ second: String) async throws -> Void
  ) async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      let runs = try await deployment.serve { service in
        let connected = try await service.open(sandbox, key: key, person: "<b>person</b>")
        _ = try await service.open(sandbox, key: key, person: "another person")
        let path = "/callbacks/terra/acme/\(connected.token)/success?user_id=\(connected.user)&resource=GARMIN"
        #expect(try await service.send("GET", path).status == 303)
        let event = SignedWebhook.success(userID: connected.user, referenceID: "<b>person</b>")
        #expect(try await service.deliver(SignedWebhook(event, secret: Deployment.secret)).status == 200)
        let first = try await run(deployment)
        try await service.forgeCallback()
        return (first, try await run(deployment))
      }
      try await body(deployment, runs.0, runs.1)
    }
  }

  private static func run(_ deployment: Deployment) async throws -> String {
    let list = try await CommandLineTool.json(["reconcile", "run", "--tenant", "acme"], database: deployment.database)
    let run = try #require((list["items"] as? [[String: Any]])?.first)
    return try #require(run["run_id"] as? String)
  }

  /// How many values there are that have no parts.
  private static func leaves(of value: Any) -> Int {
    switch value {
    case let members as [String: Any]: members.values.reduce(0) { $0 + leaves(of: $1) }
    case let items as [Any]: items.reduce(0) { $0 + leaves(of: $1) }
    default: 1
    }
  }

  @Test func saysTheSameInEveryForm() async throws {
    try await Self.withTwoRuns { deployment, first, second in
      func shown(_ format: String) async throws -> String {
        let told = try await CommandLineTool.run(
          ["reconcile", "show", second, "--compare", first, "--tenant", "acme", "--format", format],
          database: deployment.database)
        #expect(told.code == 0, "\(told.errors)")
        return told.output
      }
      let lines = try await shown("ndjson").split(separator: "\n")
      #expect(lines.count == 1)
      for text in [try await shown("json"), String(lines[0])] {
        let report = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect((report["run"] as? [String: Any])?["run_id"] as? String == second)
        #expect((report["compared_with"] as? [String: Any])?["run_id"] as? String == first)
        let funnel = try #require(report["funnel"] as? [[String: Any]])
        #expect(funnel.count == 1 && funnel[0]["resource"] as? String == "GARMIN")
        #expect(["sessions", "returned", "confirmed", "live"].map { funnel[0][$0] as? Int } == [2, 1, 1, 1])
        let finding = try #require((report["findings"] as? [[String: Any]])?.first)
        #expect(finding["kind"] as? String == "unknown_attempt" && finding["count"] as? Int == 1)
        #expect(finding["severity"] as? String == "critical" && finding["age"] as? String == "under_1h")
        let change = try #require((report["comparison"] as? [[String: Any]])?.first)
        #expect(["new", "persisting", "resolved"].map { change[$0] as? Int } == [1, 0, 0])
        let latency = try #require(report["latency"] as? [String: Any])
        #expect(latency["count"] as? Int == 1 && (latency["buckets"] as? [Any])?.count == 10)
      }
      let rows = try await shown("csv").split(separator: "\r\n").map(String.init)
      #expect(rows.first == "section,item,key,value")
      let expected = [
        "report,,tenant,acme", "run,,run_id,\(second)", "run,,outcome,complete", "compared_with,,run_id,\(first)",
        "funnel,1,resource,GARMIN", "funnel,1,sessions,2", "funnel,1,returned,1", "funnel,1,confirmed,1",
        "funnel,1,live,1", "findings,1,kind,unknown_attempt", "findings,1,severity,critical", "findings,1,age,under_1h",
        "findings,1,count,1", "comparison,1,kind,unknown_attempt", "comparison,1,new,1", "comparison,1,resolved,0",
        "latency,,count,1", "latency.buckets,1,below_seconds,-600", "latency.buckets,10,from_seconds,600",
      ]
      for row in expected { #expect(rows.contains(row), "\(row) is missing in \(rows)") }
      let all = try JSONSerialization.jsonObject(with: Data(lines[0].utf8))
      #expect(rows.count - 1 == Self.leaves(of: all), "each figure has its line")

      let table = try await shown("table").split(separator: "\n").map {
        $0.split(separator: " ").joined(separator: " ")
      }
      let told = [
        "tenant acme", "run id \(second)", "run id \(first)", "confirmed live resource returned sessions",
        "1 1 GARMIN 1 2", "age count kind severity", "under_1h 1 unknown_attempt critical",
        "kind new persisting resolved", "unknown_attempt 1 0 0",
      ]
      for line in told { #expect(table.contains(line), "\(line) is missing in \(table)") }
    }
  }

  @Test func writesOnePageThatLoadsNothingAndDrawsAllCharts() async throws {
    try await Self.withTwoRuns { deployment, first, second in
      let path = "/tmp/registry-report-\(UUID().uuidString.lowercased()).html"
      defer { try? FileManager.default.removeItem(atPath: path) }
      let written = try await CommandLineTool.run(
        ["reconcile", "show", second, "--compare", first, "--tenant", "acme", "--html", path],
        database: deployment.database)
      #expect(written.code == 0 && written.output.isEmpty, "\(written.errors)")
      let page = try String(contentsOfFile: path, encoding: .utf8)
      #expect(page.hasSuffix("</html>\n") && page.components(separatedBy: "<svg").count == 4, "three charts")
      for title in [
        "GARMIN, sessions: 2", "GARMIN, returned: 1", "GARMIN, confirmed: 1", "GARMIN, live: 1",
        "unknown_attempt, below an hour: 1",
      ] {
        #expect(page.contains("<title>\(title)</title>"), "\(title)")
      }
      // How long it took is the machine's affair; that one bar of the ten holds the one session is not.
      #expect(page.matches(of: #/<title>[^<]+ (s|min|more), sessions: 1</title>/#).count == 1)
      #expect(page.matches(of: #/<title>[^<]+ (s|min|more), sessions: 0</title>/#).count == 9)
      #expect(page.contains("<td>unknown_attempt</td><td class=\"n\">1</td><td class=\"n\">0</td>"))
      #expect(!page.contains("person"), "a report names nobody")
      let outside = page.replacing("http://www.w3.org/2000/svg", with: "")
      for word in ["http:", "https:", "src=", "url(", "@import", "<script", "<link"] {
        #expect(!outside.contains(word))
      }
      let nowhere = try await CommandLineTool.run(
        ["reconcile", "show", "--tenant", "acme", "--html", "/nowhere/report.html"], database: deployment.database)
      #expect(nowhere.code == 64 && nowhere.errors.contains("/nowhere/report.html"))
    }
  }
}

import Foundation
import Testing

/// `reconcile show`, and the page that it writes.
@Suite struct ReportCommandTests {
  @Test func writesOnePageThatLoadsNothingAndSaysWhatStands() async throws {
    try await TerraStandIn.with { _, terra in
      let deployment = try await Deployment.make(terra: terra)
      _ = try await CommandLineTool.json(
        [
          "session", "create", "--tenant", "acme", "--reference-id", "<b>person</b>", "--resource", "FITBIT",
          "--success", "https://app.acme.io/devices", "--failure", "https://app.acme.io/devices",
        ], database: deployment.database)
      _ = try await CommandLineTool.json(["reconcile", "run", "--tenant", "acme"], database: deployment.database)
      let path = "/tmp/registry-report-\(UUID().uuidString.lowercased()).html"
      defer { try? FileManager.default.removeItem(atPath: path) }
      let written = try await CommandLineTool.run(
        ["reconcile", "show", "--tenant", "acme", "--html", path], database: deployment.database)
      #expect(written.code == 0 && written.output.isEmpty, "\(written.errors)")
      let page = try String(contentsOfFile: path, encoding: .utf8)
      #expect(page.contains(">FITBIT</text>") && page.contains("<svg") && page.hasSuffix("</html>\n"))
      #expect(!page.contains("person"), "a report names nobody")
      let outside = page.replacing("http://www.w3.org/2000/svg", with: "")
      for word in ["http:", "https:", "src=", "url(", "@import", "<script", "<link"] {
        #expect(!outside.contains(word))
      }

      let shown = try await CommandLineTool.json(
        ["reconcile", "show", "--tenant", "acme"], database: deployment.database)
      let funnel = try #require((shown["funnel"] as? [[String: Any]])?.first)
      #expect(funnel["resource"] as? String == "FITBIT" && funnel["sessions"] as? Int == 1)
      for format in ["table", "ndjson", "csv"] {
        let told = try await CommandLineTool.run(
          ["reconcile", "show", "--tenant", "acme", "--format", format, "--fail-on", "info"],
          database: deployment.database)
        #expect(told.code == 0 && told.output.contains("acme"), "\(format): \(told.errors)")
      }
      let nowhere = try await CommandLineTool.run(
        ["reconcile", "show", "--tenant", "acme", "--html", "/nowhere/report.html"], database: deployment.database)
      #expect(nowhere.code == 64 && nowhere.errors.contains("/nowhere/report.html"))
    }
  }
}

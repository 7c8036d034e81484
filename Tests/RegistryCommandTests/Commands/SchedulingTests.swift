import Foundation
import Subprocess
import SystemPackage
import Testing

/// The files that one is told to copy.
@Suite(.timeLimit(.minutes(20))) struct SchedulingTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "docs/scheduling")

  private static func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: name), encoding: .utf8)
  }

  /// What stands behind the executable's name.
  private static func command(_ line: some StringProtocol) throws -> [String] {
    let words = String(line).split(separator: " " as Character).map(String.init)
    let executable = try #require(words.lastIndex { $0 == "registry" || $0.hasSuffix("/registry") })
    return Array(words[(executable + 1)...])
  }

  fileprivate static func run(_ tool: String, _ arguments: [String], input: String = "") async throws -> (Int32, String)
  {
    let record = try await Subprocess.run(
      .name(tool), arguments: Arguments(arguments), input: .inputWriter, output: .string(limit: 1 << 20),
      error: .string(limit: 1 << 20)
    ) { await $0.feed(input) }
    guard case .exited(let code) = record.terminationStatus else { return (-1, record.standardError) }
    return (code, record.standardOutput + record.standardError)
  }

  static func isThere(_ tool: String, _ arguments: [String]) async -> Bool {
    (try? await run(tool, arguments).0) == 0
  }

  /// Arguments that cannot be taken end with 64 before anything is asked for; a database that is away with 69.
  private static func expectAccepted(_ arguments: [String]) async throws {
    let outcome = try await CommandLineTool.run(arguments, database: "postgres://127.0.0.1:1/nowhere?connect_timeout=1")
    #expect(outcome.code == 69, "\(arguments): \(outcome.code) \(outcome.errors)")
    let wrong = try await CommandLineTool.run(
      arguments + ["--nonsense"], database: "postgres://127.0.0.1:1/nowhere?connect_timeout=1")
    #expect(wrong.code == 64)
  }

  /// What cron hands to its shell, in which the executable and the file are those of the test.
  private static func cronCommand(environment: String) throws -> String {
    let lines = try text("registry.cron").split(separator: "\n").filter { !$0.hasPrefix("#") && $0.contains("*") }
    let line = try #require(lines.first)
    #expect(lines.count == 1 && line.hasPrefix("*/15 * * * * registry "))
    // Five of time, then the account; and a percent sign would be the end of the line.
    let command = line.split(separator: " ", maxSplits: 6).last.map(String.init) ?? ""
    #expect(!command.contains("%"))
    for place in ["/etc/connection-registry/environment", "/usr/local/bin/registry"] {
      #expect(command.components(separatedBy: place).count == 2, "\(place)")
    }
    return command.replacing("/etc/connection-registry/environment", with: environment)
      .replacing("/usr/local/bin/registry", with: CommandLineTool.path)
  }

  /// Runs the line as cron does: with `/bin/sh` and next to no environment.
  private static func runCronLine(database: String) async throws -> (code: Int32, printed: String) {
    let file = "/tmp/registry-environment-\(UUID().uuidString.lowercased())"
    defer { try? FileManager.default.removeItem(atPath: file) }
    try "REGISTRY_DATABASE_URL='\(database)'\nREGISTRY_MASTER_KEYS='\(CommandLineTool.masterKey)'\n"
      .write(toFile: file, atomically: true, encoding: .utf8)
    let record = try await Subprocess.run(
      .path("/bin/sh"), arguments: ["-c", try cronCommand(environment: file)],
      environment: .custom(["PATH": "/usr/bin:/bin", "HOME": "/tmp", "SHELL": "/bin/sh"]), input: .none,
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    guard case .exited(let code) = record.terminationStatus else { return (-1, record.standardError) }
    return (code, record.standardOutput + record.standardError)
  }

  @Test func theCronLineRunsAndPrintsOnlyWhereThereIsSomethingToSay() async throws {
    try await TerraStandIn.with { _, terra in
      let deployment = try await Deployment.make(terra: terra)
      let quiet = try await Self.runCronLine(database: deployment.database)
      #expect(quiet.code == 0 && quiet.printed.isEmpty, "\(quiet)")
      #expect(try await deployment.count("registry.reconciliation_run WHERE outcome = 'complete'") == 1)
      try await deployment.serve { try await $0.forgeCallback() }
      let found = try await Self.runCronLine(database: deployment.database)
      #expect(found.code == 1 && found.printed.contains("acme"), "\(found)")
      #expect(found.printed.hasSuffix("registry reconcile run ended with 1\n"), "\(found)")
    }
    let away = try await Self.runCronLine(database: "postgres://nobody@127.0.0.1:9/none?connect_timeout=2")
    #expect(away.code == 69 && away.printed.contains("Error: "), "\(away)")
  }

  @Test func theUnitsAreAccepted() async throws {
    let service = try Self.text("registry-reconcile.service")
    let start = try #require(service.split(separator: "\n").first { $0.hasPrefix("ExecStart=") })
    try await Self.expectAccepted(Self.command(start))
    #expect(try Self.text("registry-reconcile.timer").contains("OnCalendar=*:0/15\n"))
  }

  @Test(
    .enabled("systemd-analyze is not there") { await SchedulingTests.isThere("systemd-analyze", ["--version"]) })
  func systemdTakesTheUnits() async throws {
    let (code, output) = try await Self.run("systemd-analyze", ["calendar", "*:0/15"])
    #expect(code == 0, "\(output)")
    // The executable is where it will be installed, not where it is tested.
    let place = FileManager.default.temporaryDirectory.appending(path: "units-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: place) }
    let here = try Self.text("registry-reconcile.service").replacing(
      "/usr/local/bin/registry", with: CommandLineTool.path)
    try here.write(to: place.appending(path: "registry-reconcile.service"), atomically: true, encoding: .utf8)
    try Self.text("registry-reconcile.timer")
      .write(to: place.appending(path: "registry-reconcile.timer"), atomically: true, encoding: .utf8)
    let (verdict, report) = try await Self.run(
      "systemd-analyze",
      ["verify", "--man=no", "registry-reconcile.service", "registry-reconcile.timer"]
        .map { $0.hasPrefix("registry") ? place.appending(path: $0).path : $0 })
    #expect(verdict == 0 && !report.contains("registry-reconcile."), "\(report)")
  }

  @Test func theCronJobIsAccepted() async throws {
    let text = try Self.text("cronjob.yaml")
    let line = try #require(text.split(separator: "\n").first { $0.contains("args: [") })
    let list = try #require(line.split(separator: ":", maxSplits: 1).last)
    try await Self.expectAccepted(try JSONDecoder().decode([String].self, from: Data(list.utf8)))
  }

  @Test(
    .enabled("python3 or its PyYAML is not there") { await SchedulingTests.isThere("python3", ["-c", "import yaml"]) })
  func theCronJobSaysWhatItShould() async throws {
    let text = try Self.text("cronjob.yaml")
    let program = "import sys, json, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    let (code, json) = try await Self.run("python3", ["-c", program], input: text)
    #expect(code == 0, "\(json)")
    let job = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(job["apiVersion"] as? String == "batch/v1" && job["kind"] as? String == "CronJob")
    let spec = try #require(job["spec"] as? [String: Any])
    #expect(spec["schedule"] as? String == "*/15 * * * *" && spec["concurrencyPolicy"] as? String == "Forbid")
  }
}

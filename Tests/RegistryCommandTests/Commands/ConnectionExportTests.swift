import EmbeddedPostgres
import Foundation
import Subprocess
import SystemPackage
import TestDatabase
import Testing

/// All connections of a tenant, written out by the command.
@Suite(.database, .timeLimit(.minutes(20))) struct ConnectionExportTests {
  /// More than any pipe holds.
  private static let many = 20_000

  private static func fill(_ deployment: Deployment, _ count: Int = many) async throws {
    try await deployment.addTenant("globex")
    try await TestDatabase.shared.embeddedCluster().runClient(
      "psql",
      [
        "-X", "-d", deployment.database, "-c",
        """
        INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id,
          resource_key, resource, scopes_key, scopes, created_at)
        SELECT t.tenant_id, t.slug || lpad(i::text, 6, '0'), k.key, k.key, k.key, 'p "' || i / 2 || '", é', k.key,
          CASE i % 2 WHEN 0 THEN 'FITBIT' ELSE 'OURA' END, k.key, E'a,b\\nc', now() - interval '1 day'
        FROM registry.tenant t, generate_series(1, \(count)) i, (VALUES ('0000000000000001:4:a')) k (key)
        """,
      ])
  }

  private static func export(_ deployment: Deployment, _ arguments: String...) async throws -> CommandLineTool.Outcome {
    try await CommandLineTool.run(
      ["connection", "export", "--tenant", "acme"] + arguments, database: deployment.database)
  }

  /// Runs the command in a shell that ends as the command does, not as what it is piped into.
  private static func shell(
    _ deployment: Deployment, _ script: String, _ arguments: [String]
  ) async throws -> CommandLineTool.Outcome {
    let record = try await Subprocess.run(
      .path("/bin/bash"),
      arguments: Arguments(["-o", "pipefail", "-c", script, CommandLineTool.path] + arguments + ["--tenant", "acme"]),
      environment: CommandLineTool.environment(database: deployment.database, [:]),
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    guard case .exited(let code) = record.terminationStatus else { throw CancellationError() }
    return .init(code: code, output: record.standardOutput, errors: record.standardError)
  }

  @Test func everyFormatHoldsWhatTheListHolds() async throws {
    let deployment = try await Deployment.make()
    try await Self.fill(deployment, 250)
    _ = try await CommandLineTool.json(
      ["connection", "tag", "acme000007", "--set", "plan=pro", "--tenant", "acme"], database: deployment.database)
    for arguments in [[], ["--resource", "oura"], ["--tag", "plan=pro"], ["--status", "revoked"]] {
      let all = try await deployment.items(["connection", "list"] + arguments)
      #expect(all.count == ["": 250, "--resource": 125, "--tag": 1, "--status": 0][arguments.first ?? ""])
      for format in ["json", "ndjson"] {
        let list = try await CommandLineTool.run(
          ["connection", "list", "--all", "--tenant", "acme", "--format", format] + arguments,
          database: deployment.database)
        let export = try await CommandLineTool.run(
          ["connection", "export", "--tenant", "acme", "--format", format] + arguments, database: deployment.database)
        #expect(export.code == 0 && export.output == list.output && export.errors.isEmpty, "\(export.errors)")
      }
      let plain = try await CommandLineTool.run(
        ["connection", "export", "--tenant", "acme", "--output", "-"] + arguments, database: deployment.database)
      #expect(plain.output.split(separator: "\n").count == all.count)
      let csv = try await CommandLineTool.run(
        ["connection", "export", "--tenant", "acme", "--format", "csv"] + arguments, database: deployment.database)
      let header =
        "user_id,resource,reference_id,status,scopes,superseded_by,needs_reauth,last_data_at,created_at,recorded_at,tags"
      #expect(csv.output.hasPrefix(header + "\r\n"))
      #expect(csv.output.components(separatedBy: "\r\n").count == all.count + 2)
      if !all.isEmpty {
        #expect(csv.output.contains("\r\nacme000007,OURA,\"p \"\"3\"\", é\",active,\"a,b\nc\",,no,,"), "\(csv.output)")
      }
      #expect(csv.output.contains(#","{""plan"":""pro""}""#) == (arguments.first != "--status"))
    }
    let unknown = try await CommandLineTool.run(
      ["connection", "export", "--tenant", "nobody"], database: deployment.database)
    #expect(unknown.code == 2 && unknown.output.isEmpty)
    let table = try await Self.export(deployment, "--format", "table")
    #expect(table.code == 64)
  }

  @Test func aFileAppearsWhenItIsWholeAndOnlyItsOwnerReadsIt() async throws {
    let deployment = try await Deployment.make()
    try await Self.fill(deployment)
    let directory = URL.temporaryDirectory.appending(path: "export-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() }
    let file = directory.appending(path: "connections.ndjson")
    try Data("older".utf8).write(to: file)
    try FileManager.default.createSymbolicLink(
      at: directory.appending(path: "link"), withDestinationURL: file)
    let unknown = try await CommandLineTool.run(
      ["connection", "export", "--tenant", "nobody", "--output", file.path], database: deployment.database)
    #expect(unknown.code == 2)
    #expect(try String(contentsOf: file, encoding: .utf8) == "older")
    #expect(try names() == ["connections.ndjson", "link"])

    let outcome = try await Self.export(deployment, "--output", directory.appending(path: "link").path)
    #expect(outcome.code == 0 && outcome.output.isEmpty, "\(outcome.errors)")
    #expect(outcome.errors.contains("\(Self.many) connections"))
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == Self.many && lines.last?.contains("acme0\(Self.many)") == true)
    #expect(try names() == ["connections.ndjson", "link"])
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    #expect(mode == 0o600)

    for path in [directory.path, directory.appending(path: "absent/x").path, "/dev/full"] {
      let refused = try await Self.export(deployment, "--output", path)
      #expect(refused.code == 2 && refused.errors.hasPrefix("Error: "), "\(refused.errors)")
    }
    #expect(try names() == ["connections.ndjson", "link"])
  }

  @Test func theExitCodeSaysWhetherTheReaderHasEverything() async throws {
    let deployment = try await Deployment.make()
    try await Self.fill(deployment)
    let whole = try await Self.shell(deployment, #""$0" "$@" | wc -l"#, ["connection", "export"])
    #expect(whole.code == 0)
    #expect(whole.output.trimmingCharacters(in: .whitespacesAndNewlines) == "\(Self.many)")
    let cut = try await Self.shell(deployment, #""$0" "$@" | head -n 1"#, ["connection", "export"])
    #expect(cut.code == 2 && cut.errors.contains("not whole: the reader has gone"), "\(cut.code) \(cut.errors)")
    // Of a list one may have seen enough.
    let list = try await Self.shell(
      deployment, #""$0" "$@" | head -n 1"#, ["connection", "list", "--all", "--format", "ndjson"])
    #expect(list.code == 0 && list.errors.isEmpty, "\(list.code) \(list.errors)")
    let full = try await Self.shell(deployment, #""$0" "$@" > /dev/full"#, ["connection", "export"])
    #expect(full.code == 2 && full.errors.contains("cannot be written (No space left on device)"), "\(full.errors)")
  }

  @Test func aDatabaseThatGoesAwayIs69() async throws {
    let deployment = try await Deployment.make()
    try await Self.fill(deployment)
    let ended = try await Self.exportIntoAPipe(deployment) {
      try await TestDatabase.shared.embeddedCluster().runClient(
        "psql",
        [
          "-X", "-d", deployment.database, "-c",
          """
          SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
          WHERE a.datname = current_database() AND a.query LIKE '%FROM registry.connection c%'
            AND a.pid <> pg_backend_pid()
          """,
        ])
    }
    #expect(ended.code == 69, "\(ended.code) \(ended.errors)")
  }

  /// And a migration waits for it: that is how the test lets the server's limit pass.
  @Test func aLimitOfTheServerDoesNotBreakItOff() async throws {
    let deployment = try await Deployment.make()
    try await Self.fill(deployment)
    let cluster = try await TestDatabase.shared.embeddedCluster()
    func psql(_ commands: String...) async throws {
      try await cluster.runClient(
        "psql", ["-X", "-v", "ON_ERROR_STOP=1", "-d", deployment.database] + commands.flatMap { ["-c", $0] })
    }
    try await psql(
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 3000', current_database()); END $$")
    let ended = try await Self.exportIntoAPipe(deployment) {
      try await psql(
        "SET statement_timeout = 0; SET lock_timeout = 4000",
        """
        DO $$ BEGIN
          LOCK TABLE registry.connection IN ACCESS EXCLUSIVE MODE;
          RAISE 'nobody held it';
        EXCEPTION WHEN lock_not_available THEN NULL;
        END $$
        """)
    }
    #expect(ended.code == 0, "\(ended.code) \(ended.errors)")
  }

  /// Exports into a pipe of which nobody reads on until something is done: it is full, so the server is still sending.
  ///
  /// - Returns: How the command ended; where it ended before a row came, nothing else was done.
  private static func exportIntoAPipe(
    _ deployment: Deployment, _ body: () async throws -> Void
  ) async throws -> CommandLineTool.Outcome {
    let path = FileManager.default.temporaryDirectory.appending(path: "export-\(UUID().uuidString)").path
    try #require(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    // Opened for both, it waits for no writer. A zero says that the command has ended, also where it wrote nothing.
    let pipe = try FileDescriptor.open(FilePath(path), .readWrite)
    defer { try? pipe.close() }
    let command = Task {
      let outcome: Result<CommandLineTool.Outcome, any Error>
      do {
        outcome = .success(try await export(deployment, "--output", path))
      } catch {
        outcome = .failure(error)
      }
      _ = try await onAThread { try pipe.writeAll([0]) }
      return try outcome.get()
    }
    @Sendable func readsOn() throws -> Bool {
      try withUnsafeTemporaryAllocation(byteCount: 1 << 10, alignment: 1) { buffer in
        let count = try pipe.read(into: buffer)
        return count > 0 && buffer[count - 1] != 0
      }
    }
    if try await onAThread(readsOn) {
      do {
        try await body()
      } catch {
        Issue.record(error)
      }
      try await onAThread { while try readsOn() {} }
    }
    return try await command.value
  }

  /// Does what blocks, on a thread of its own.
  private static func onAThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
  }
}

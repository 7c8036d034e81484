import Foundation
import Testing

@testable import EmbeddedPostgres

@Suite("The life of a private cluster")
struct LifecycleTests {
  @Test("The first start makes the cluster; later ones find what was stored")
  func keepsWhatIsStored() async throws {
    try await StateDirectory.with { directory in
      try await EmbeddedPostgres.withCluster(directory.configuration()) { (cluster) async throws in
        #expect(cluster.startedServer)
        _ = try await cluster.query("CREATE TABLE kept AS SELECT 42 AS answer")
      }
      #expect(!directory.hasServer())
      try await EmbeddedPostgres.withCluster(directory.configuration()) { (cluster) async throws in
        #expect(try await cluster.query("SELECT answer FROM kept") == "42")
      }
      #expect(!directory.hasServer())
    }
  }

  @Test("A production cluster flushes what it commits and checks its pages")
  func isDurable() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration()
      configuration.durability = .durable
      try await EmbeddedPostgres.withCluster(configuration) { (cluster) async throws in
        let settings = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"]
        for setting in settings {
          #expect(try await cluster.query("SHOW \(setting)") == "on", "\(setting)")
        }
      }
    }
  }

  @Test("Nothing listens in the network, and the socket is closed to others")
  func isPrivate() async throws {
    try await StateDirectory.with { directory in
      try await EmbeddedPostgres.withCluster(directory.configuration()) { (cluster) async throws in
        #expect(try await cluster.query("SHOW listen_addresses") == "")
        #expect(try await cluster.query("SHOW unix_socket_permissions") == "0700")
        let attributes = try FileManager.default.attributesOfItem(atPath: cluster.socketDirectory)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
      }
    }
  }

  @Test("After kill -9 of the server the next start recovers, while its processes may still be ending")
  func recoversFromCrash() async throws {
    try await StateDirectory.with { directory in
      let first = try await EmbeddedPostgres.start(directory.configuration())
      _ = try await first.query("CREATE TABLE kept AS SELECT 42 AS answer")
      kill(try directory.serverProcess(), SIGKILL)
      let second = try await EmbeddedPostgres.start(directory.configuration())
      #expect(second.startedServer)
      #expect(try await second.query("SELECT answer FROM kept") == "42")
      try await second.stop()
      // The first has not given the cluster back yet.
      #expect(directory.hasServer())
      try await first.stop()
      #expect(!directory.hasServer())
    }
  }

  @Test("A stale pid file whose process id another program has got is no obstacle")
  func survivesRecycledProcessID() async throws {
    try await StateDirectory.with { directory in
      let other = try await EmbeddedPostgres.start(directory.configuration("other"))
      let first = try await EmbeddedPostgres.start(directory.configuration())
      let process = try directory.serverProcess()
      kill(process, SIGKILL)
      let path = directory.path + "/state/postgres/data/postmaster.pid"
      var lines = try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "\n")
      // The server refuses only for a process of its own account; another cluster's server is one.
      lines[0] = String(try directory.serverProcess("other"))
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try file.truncate(atOffset: 0)
      try file.write(contentsOf: Data(lines.joined(separator: "\n").utf8))
      try file.close()
      let second = try await EmbeddedPostgres.start(directory.configuration())
      #expect(second.startedServer)
      #expect(try await second.query("SELECT 1") == "1")
      try await second.stop()
      try await first.stop()
      #expect(try await other.query("SELECT 1") == "1")
      try await other.stop()
    }
  }

  @Test("An interrupted first start leaves nothing that a second one trips over")
  func survivesInterruptedCreation() async throws {
    try await StateDirectory.with { directory in
      try await EmbeddedPostgres.withCluster(directory.configuration()) { _ in }
      let data = directory.path + "/state/postgres/data"
      try FileManager.default.moveItem(atPath: data, toPath: data + ".unfinished")
      try FileManager.default.removeItem(atPath: data + ".unfinished/PG_VERSION")
      try await EmbeddedPostgres.withCluster(directory.configuration()) { (cluster) async throws in
        #expect(try await cluster.query("SELECT 1") == "1")
      }
      #expect(!FileManager.default.fileExists(atPath: data + ".unfinished"))
    }
  }

  @Test("Many starts at once share one server, which the last to stop shuts down")
  func sharesOneServer() async throws {
    try await StateDirectory.with { directory in
      let clusters = try await withThrowingTaskGroup(of: EmbeddedPostgres.self) { group in
        for _ in 0..<4 {
          group.addTask { try await EmbeddedPostgres.start(directory.configuration()) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(clusters.count { $0.startedServer } == 1)
      #expect(Set(clusters.map(\.connectionInfo)).count == 1)
      // The one that started the server goes first: the others do not lose it.
      for (stopped, cluster) in clusters.sorted(by: { $0.startedServer && !$1.startedServer }).enumerated() {
        #expect(try await cluster.query("SELECT 1") == "1", "after \(stopped) stops")
        try await cluster.stop()
      }
      #expect(!directory.hasServer())
    }
  }

  @Test("Whoever sees the state directory sees it with its mode, however early")
  func stateDirectoryAppearsWithItsMode() async throws {
    try await StateDirectory.with { directory in
      let account = try #require(geteuid() == 0 ? ServerAccount(named: "postgres") : ServerAccount.current())
      for round in 0..<500 {
        let directories = try ClusterDirectories(directory.configuration("parent-\(round)/state"))
        let parent = directory.path + "/parent-\(round)"
        let (watching, watcher) = AsyncStream.makeStream(of: Void.self)
        async let seen = {
          var status: FileStatus?
          repeat {
            status = FileStatus(parent)
            watcher.finish()
          } while status == nil && !Task.isCancelled
          return status?.permissions
        }()
        for await _ in watching {}
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<2 { group.addTask { try directories.makeStateDirectory(account: account) } }
          try await group.waitForAll()
        }
        #expect(await seen == (geteuid() == 0 ? 0o711 : 0o755))
        #expect(try FileManager.default.contentsOfDirectory(atPath: parent) == ["state"])
      }
    }
  }

  @Test("Stopping twice is stopping once")
  func stopsOnce() async throws {
    try await StateDirectory.with { directory in
      let first = try await EmbeddedPostgres.start(directory.configuration())
      let second = try await EmbeddedPostgres.start(directory.configuration())
      try await first.stop()
      try await first.stop()
      #expect(try await second.query("SELECT 1") == "1")
      try await second.stop()
      #expect(!directory.hasServer())
    }
  }

  @Test("The server is shut down when the body fails, and the body's error is what is thrown")
  func stopsAfterFailure() async throws {
    struct Failure: Error {}
    try await StateDirectory.with { directory in
      await #expect(throws: Failure.self) {
        try await EmbeddedPostgres.withCluster(directory.configuration()) { _ -> Void in throw Failure() }
      }
      #expect(!directory.hasServer())
    }
  }

  @Test("A cancelled start leaves no server behind")
  func stopsWhenCancelled() async throws {
    try await StateDirectory.with { directory in
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        _ = try await EmbeddedPostgres.withCluster(directory.configuration()) { _ in
          Issue.record("The body ran in a cancelled task.")
        }
      }
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(!directory.hasServer())
    }
  }

  @Test("A server that was left running is joined, and shut down on request")
  func leavesRunning() async throws {
    try await StateDirectory.with { directory in
      var leaving = directory.configuration()
      leaving.leavesRunning = true
      try await EmbeddedPostgres.withCluster(leaving) { _ in }
      #expect(directory.hasServer())
      let joined = try await EmbeddedPostgres.start(directory.configuration())
      #expect(!joined.startedServer)
      let inUse = try await message(of: .busy) { try await EmbeddedPostgres.shutDown(directory.configuration()) }
      #expect(inUse.contains("in use"))
      try await joined.stop()
      #expect(directory.hasServer())
      #expect(try await EmbeddedPostgres.shutDown(directory.configuration()))
      #expect(!directory.hasServer())
      #expect(try await !EmbeddedPostgres.shutDown(directory.configuration()))
    }
  }

  @Test("Clusters of ended processes are removed; young ones and those in use stay")
  func removesAbandoned() async throws {
    try await StateDirectory.with { directory in
      var leaving = directory.configuration("gone-abandoned")
      leaving.leavesRunning = true
      try await EmbeddedPostgres.withCluster(leaving) { _ in }
      let process = try directory.serverProcess("gone-abandoned")
      leaving.stateDirectory = directory.path + "/gone-young"
      try await EmbeddedPostgres.withCluster(leaving) { _ in }
      let used = try await EmbeddedPostgres.start(directory.configuration("gone-used"))
      for name in ["gone-abandoned", "gone-used"] {
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: -120)], ofItemAtPath: directory.path + "/" + name)
      }
      EmbeddedPostgres.destroyAbandoned(in: directory.path, prefix: "gone-")
      #expect(!StateDirectory.isRunning(process))
      let left = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
      #expect(left == ["gone-used", "gone-young"])
      #expect(try await used.query("SELECT 1") == "1")
      used.destroy()
      try await EmbeddedPostgres.shutDown(directory.configuration("gone-young"))
    }
  }
}

import Foundation
import Subprocess
import SystemPackage
import Testing

@testable import EmbeddedPostgres

@Suite("Who runs a private cluster, and who may use it")
struct AccountTests {
  @Test("A plain account runs the server itself, several processes at once, one of them killed")
  func plainAccount() async throws {
    try await StateDirectory.with { directory in
      let state = directory.path + "/state"
      let first = try await ProbeProcess.run(state) { (probe) async throws in
        #expect(try await probe.nextLine().hasPrefix("started host="))
        let owner = try FileManager.default.attributesOfItem(atPath: state + "/postgres/data")[.ownerAccountID]
        #expect(owner as? Int == (ProbeProcess.plainAccount.map { Int($0.userID) }))
        _ = try await ProbeProcess.run(state) { (other) async throws in
          #expect(try await other.nextLine().hasPrefix("joined host="))
          // Its end without a stop takes nothing from the first, and is no obstacle to the last stop.
          other.crash()
        }
        #expect(directory.hasServer())
        try await probe.endInput()
        #expect(try await probe.nextLine() == "stopped")
      }
      #expect(first)
      #expect(!directory.hasServer())
    }
  }

  @Test("Two processes that start at once share one server")
  func twoProcesses() async throws {
    try await StateDirectory.with { directory in
      let state = directory.path + "/state"
      let words = try await withThrowingTaskGroup(of: String.self) { group in
        for _ in 0..<2 {
          group.addTask {
            try await ProbeProcess.output(state)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      // Whether the second still met the first's server depends on the moment; that both worked does not.
      #expect(words.contains { $0.hasPrefix("started") })
      #expect(words.allSatisfy { $0.hasSuffix("stopped") }, "\(words)")
      #expect(!directory.hasServer())
    }
  }

  @Test("After the only user was killed the server runs on; the next one joins it and shuts it down")
  func killedUser() async throws {
    try await StateDirectory.with { directory in
      let state = directory.path + "/state"
      let ended = try await ProbeProcess.run(state) { (probe) async throws in
        #expect(try await probe.nextLine().hasPrefix("started"))
        probe.crash()
      }
      #expect(!ended)
      #expect(directory.hasServer())
      let words = try await ProbeProcess.output(state)
      #expect(words.hasPrefix("joined"), "\(words)")
      #expect(words.hasSuffix("stopped"), "\(words)")
      #expect(!directory.hasServer())
    }
  }

  @Test("A plain account cannot make its state below another's directory")
  func plainAccountInForeignParent() async throws {
    try await StateDirectory.with { directory in
      let parent = directory.path + "/closed"
      // Closed to its own maker, too, when the tests run as a plain account.
      mkdir(parent, 0o500)
      defer { chmod(parent, 0o700) }
      let words = try await ProbeProcess.output(parent + "/state")
      #expect(words.hasPrefix("stateDirectoryUnusable"), "\(words)")
      #expect(words.contains("REGISTRY_STATE_DIR"))
    }
  }

  @Test("Root drops to an account that the server can run as", .enabled(if: geteuid() == 0, "needs root"))
  func dropsRoot() async throws {
    try await StateDirectory.with { directory in
      for (name, account) in [("postgres", "postgres"), ("nobody", "nobody")] {
        guard ServerAccount(named: account) != nil else { continue }
        var configuration = directory.configuration(name)
        configuration.serverAccount = account
        try await EmbeddedPostgres.withCluster(configuration) { (cluster) async throws in
          #expect(try await cluster.query("SELECT 1") == "1")
          let process = try directory.serverProcess(name)
          let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
          let userID = try #require(ServerAccount(named: account)?.userID)
          #expect(status.contains("Uid:\t\(userID)\t\(userID)\t\(userID)\t\(userID)"))
          #expect(status.contains("NoNewPrivs:\t1"))
          #expect(status.contains("CapEff:\t0000000000000000"))
        }
      }
    }
  }

  @Test("Another program of the server's account is not let in", .enabled(if: geteuid() == 0, "needs root"))
  func refusesServerAccount() async throws {
    try await StateDirectory.with { directory in
      try await EmbeddedPostgres.withCluster(directory.configuration()) { (cluster) async throws in
        let outcome = try await cluster.server.tool.run(
          cluster.server.binaries.path("psql"), [cluster.connectionInfo, "-XAtqc", "SELECT 1"],
          as: cluster.server.account)
        #expect(!outcome.succeeded)
        #expect(outcome.output.contains("Peer authentication failed"), "\(outcome.output)")
      }
    }
  }

  @Test("Roles that are named can log in, others cannot")
  func loginRoles() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration()
      configuration.loginRoles = ["clerk"]
      try await EmbeddedPostgres.withCluster(configuration) { (cluster) async throws in
        _ = try await cluster.query("CREATE ROLE clerk LOGIN; CREATE ROLE stranger LOGIN")
        let clerk = cluster.connectionInfo(database: "registry", user: "clerk")
        #expect(try await cluster.runClient("psql", [clerk, "-XAtqc", "SELECT current_user"]) == "clerk")
        let stranger = cluster.connectionInfo(database: "registry", user: "stranger")
        await #expect(throws: EmbeddedPostgresError.self) {
          try await cluster.runClient("psql", [stranger, "-XAtqc", "SELECT 1"])
        }
      }
    }
  }

  @Test("A state directory below a directory that only root may enter", .enabled(if: geteuid() == 0, "needs root"))
  func privateParent() async throws {
    try await StateDirectory.with { directory in
      let parent = directory.path + "/private"
      mkdir(parent, 0o700)
      let sentence = try await message(of: .directoryNotReachable) {
        _ = try await EmbeddedPostgres.start(directory.configuration("private/below/state"))
      }
      #expect(sentence.contains("may not enter \(parent), "))
      #expect(sentence.contains("REGISTRY_STATE_DIR"))
    }
  }

  @Test("A cluster that belongs to root", .enabled(if: geteuid() == 0, "needs root"))
  func rootOwned() async throws {
    try await StateDirectory.with { directory in
      try FileManager.default.createDirectory(
        atPath: directory.path + "/state/postgres", withIntermediateDirectories: true)
      let sentence = try await message(of: .wrongOwner) {
        _ = try await EmbeddedPostgres.start(directory.configuration())
      }
      #expect(sentence.contains("chown -R"))
    }
  }

  @Test("A plain account cannot use root's cluster", .enabled(if: geteuid() == 0, "needs root"))
  func plainAccountOnRootsCluster() async throws {
    try await StateDirectory.with { directory in
      try await EmbeddedPostgres.withCluster(directory.configuration()) { _ in }
      let words = try await ProbeProcess.output(directory.path + "/state")
      #expect(words.hasPrefix("wrongOwner"), "\(words)")
    }
  }

  @Test("Root joins and stops the cluster of a plain account", .enabled(if: geteuid() == 0, "needs root"))
  func rootOnPlainAccountsCluster() async throws {
    try await StateDirectory.with { directory in
      _ = try await ProbeProcess.run(directory.path + "/state") { (probe) async throws in
        #expect(try await probe.nextLine().hasPrefix("started"))
        let joined = try await EmbeddedPostgres.start(directory.configuration())
        #expect(try await joined.query("SELECT 1") == "1")
        try await probe.endInput()
        #expect(try await probe.nextLine() == "stopped")
        #expect(directory.hasServer())
        try await joined.stop()
        #expect(!directory.hasServer())
      }
    }
  }
}

import Foundation
import Testing

@testable import EmbeddedPostgres

@Suite("What stands in the way of a private cluster is said in a sentence that tells what to do")
struct ObstacleTests {
  @Test("A path too long for a socket gets a short directory elsewhere, which goes with the server")
  func choosesShortSocketDirectory() async throws {
    try await StateDirectory.with { directory in
      let name = String(repeating: "long/", count: 30) + "state"
      let cluster = try await EmbeddedPostgres.start(directory.configuration(name))
      #expect(cluster.socketDirectory.hasPrefix("/tmp/connection-registry-"))
      #expect(try await cluster.query("SELECT 1") == "1")
      let attributes = try FileManager.default.attributesOfItem(atPath: cluster.socketDirectory)
      #expect(attributes[.posixPermissions] as? Int == 0o700)
      let joined = try await EmbeddedPostgres.start(directory.configuration(name))
      #expect(joined.connectionInfo == cluster.connectionInfo)
      try await joined.stop()
      // After a crash the remembered directory serves again.
      kill(try directory.serverProcess(name), SIGKILL)
      let again = try await EmbeddedPostgres.start(directory.configuration(name))
      #expect(again.socketDirectory == cluster.socketDirectory)
      try await again.stop()
      try await cluster.stop()
      #expect(!FileManager.default.fileExists(atPath: cluster.socketDirectory))
    }
  }

  @Test("A path too long without any short directory")
  func noShortSocketDirectory() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration(String(repeating: "long/", count: 30) + "state")
      configuration.socketParents = [directory.path + "/missing"]
      configuration.environment["XDG_RUNTIME_DIR"] = nil
      let sentence = try await message(of: .socketPathTooLong) { _ = try await EmbeddedPostgres.start(configuration) }
      #expect(sentence.contains("107 bytes") || sentence.contains("103 bytes"))
      #expect(sentence.contains("Choose a shorter state directory with REGISTRY_STATE_DIR"))
    }
  }

  @Test("No server installed")
  func noServer() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration()
      configuration.environment["PATH"] = directory.path
      configuration.installationPatterns = [directory.path + "/lib/*/bin"]
      let sentence = try await message(of: .serverNotInstalled) { _ = try await EmbeddedPostgres.start(configuration) }
      #expect(sentence.contains("apt-get install postgresql"))
      #expect(!FileManager.default.fileExists(atPath: directory.path + "/state"))
      configuration.binaryDirectory = directory.path
      let named = try await message(of: .serverNotInstalled) { _ = try await EmbeddedPostgres.start(configuration) }
      #expect(named.contains(directory.path))
    }
  }

  @Test("A server that is too old")
  func oldServer() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration()
      configuration.binaryDirectory = try directory.fakeServer(version: "13.9")
      let sentence = try await message(of: .serverTooOld) { _ = try await EmbeddedPostgres.start(configuration) }
      #expect(sentence.contains("PostgreSQL 14 or newer"))
      #expect(sentence.contains("PostgreSQL 13 in \(directory.path)"))
    }
  }

  @Test("A cluster of another major version; where its own is installed too, that one is taken")
  func versionMismatch() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration()
      try await EmbeddedPostgres.withCluster(configuration) { _ in }
      let newer = try directory.fakeServer(version: "99.1")
      configuration.environment["PATH"] = newer + ":" + (configuration.environment["PATH"] ?? "")
      try await EmbeddedPostgres.withCluster(configuration) { (cluster) async throws in
        #expect(cluster.majorVersion != 99)
      }
      configuration.binaryDirectory = newer
      let sentence = try await message(of: .serverVersionMismatch) {
        _ = try await EmbeddedPostgres.start(configuration)
      }
      #expect(sentence.contains("PostgreSQL 99"))
      #expect(sentence.contains("apt-get install postgresql-"))
      #expect(sentence.contains("pg_upgrade"))
    }
  }

  @Test("A file in the place of the state directory")
  func fileInTheWay() async throws {
    try await StateDirectory.with { directory in
      try Data().write(to: URL(fileURLWithPath: directory.path + "/file"))
      let sentence = try await message(of: .stateDirectoryUnusable) {
        _ = try await EmbeddedPostgres.start(directory.configuration("file/state"))
      }
      #expect(sentence.contains("\(directory.path)/file is not a directory"))
      #expect(sentence.contains("REGISTRY_STATE_DIR"))
    }
  }

  @Test("A lock that another process holds for longer than the start may take")
  func busy() async throws {
    try await StateDirectory.with { directory in
      mkdir(directory.path + "/state", 0o755)
      let lock = try FileLock(path: directory.path + "/state/start.lock")
      #expect(lock.tryLock(.exclusive))
      var configuration = directory.configuration()
      configuration.startTimeout = .milliseconds(200)
      let sentence = try await message(of: .busy) { _ = try await EmbeddedPostgres.start(configuration) }
      #expect(sentence.contains("start.lock"))
    }
  }

  @Test("A server that does not come up says why, in the words of its log")
  func failedStart() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration()
      configuration.settings = ["shared_buffers": "many"]
      let sentence = try await message(of: .startFailed) { _ = try await EmbeddedPostgres.start(configuration) }
      #expect(sentence.contains("invalid value for parameter \"shared_buffers\": \"many\""))
      #expect(sentence.contains("server.log"))
    }
  }

  @Test("State directories that cannot be used", arguments: ["/tmp/a$HOME", "/tmp/a\"b", "/tmp/a\nb", "/", ""])
  func unusablePath(path: String) async throws {
    let configuration = EmbeddedPostgres.Configuration(stateDirectory: path)
    let sentence = try await message(of: .invalidConfiguration) { _ = try await EmbeddedPostgres.start(configuration) }
    #expect(sentence.contains("REGISTRY_STATE_DIR"))
  }

  @Test("Settings, roles and database names that would break out of their line")
  func unusableValues() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration()
      configuration.settings = ["work_mem": "1MB\nfsync = off"]
      _ = try await message(of: .invalidConfiguration) { _ = try await EmbeddedPostgres.start(configuration) }
      configuration.settings = ["a b": "1"]
      _ = try await message(of: .invalidConfiguration) { _ = try await EmbeddedPostgres.start(configuration) }
      configuration.settings = [:]
      configuration.loginRoles = ["a\" all"]
      _ = try await message(of: .invalidConfiguration) { _ = try await EmbeddedPostgres.start(configuration) }
      configuration.loginRoles = []
      configuration.database = "a\nb"
      _ = try await message(of: .invalidConfiguration) { _ = try await EmbeddedPostgres.start(configuration) }
    }
  }

  @Test("Spaces and quotes in paths, settings and names are no obstacle")
  func quoting() async throws {
    try await StateDirectory.with { directory in
      var configuration = directory.configuration("it's a state")
      configuration.database = "it's a \"database\" \\ of ours"
      configuration.settings = ["application_name": "it's \\ ours"]
      try await EmbeddedPostgres.withCluster(configuration) { (cluster) async throws in
        #expect(try await cluster.query("SELECT current_database()") == configuration.database)
        #expect(try await cluster.query("SELECT reset_val FROM pg_settings WHERE name = 'work_mem'") == "4096")
        #expect(
          try await cluster.query("SELECT boot_val FROM pg_settings WHERE name = 'port'") == "5432")
      }
    }
  }

  @Test("The default state directory follows XDG, and root's is one that the server's account can reach")
  func defaultStateDirectory() {
    let choose = EmbeddedPostgres.Configuration.defaultStateDirectory(environment:isRoot:)
    #expect(choose(["HOME": "/home/ada"], false) == "/home/ada/.local/state/connection-registry")
    #expect(choose(["HOME": "/home/ada", "XDG_STATE_HOME": "/data"], false) == "/data/connection-registry")
    #expect(
      choose(["HOME": "/home/ada", "XDG_STATE_HOME": "data"], false) == "/home/ada/.local/state/connection-registry")
    #expect(choose(["HOME": "/root"], true) == "/var/lib/connection-registry")
    #expect(choose(["HOME": "/root", "XDG_STATE_HOME": "/data"], true) == "/data/connection-registry")
  }
}

extension StateDirectory {
  /// Programs that only know their version.
  func fakeServer(version: String) throws -> String {
    let bin = path + "/fake-" + version
    try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
    for program in ["postgres", "initdb", "pg_ctl"] {
      try Data("#!/bin/sh\necho 'postgres (PostgreSQL) \(version)'\n".utf8)
        .write(to: URL(fileURLWithPath: bin + "/" + program))
      chmod(bin + "/" + program, 0o755)
    }
    return bin
  }
}

import EmbeddedPostgres
import Foundation

/// The private cluster of this test process: started once, removed when the process ends.
actor TestCluster {
  private var starting: Task<EmbeddedPostgres, any Error>?

  /// The running cluster. The first caller starts it, the others wait for the same start.
  func running() async throws -> EmbeddedPostgres {
    if let starting { return try await starting.value }
    // A task of its own: the test that asks first may be cancelled, and the others need the cluster all the same.
    let task = Task { try await Self.start() }
    starting = task
    return try await task.value
  }

  private static func start() async throws -> EmbeddedPostgres {
    EmbeddedPostgres.destroyAbandoned(in: parent, prefix: prefix)
    var template = Array((parent + "/" + prefix + "\(getpid())-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else {
      throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: parent])
    }
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // The server's account must pass through when the tests run as root.
    if geteuid() == 0 { chmod(directory, 0o711) }
    var configuration = EmbeddedPostgres.Configuration(stateDirectory: directory)
    configuration.database = "postgres"
    configuration.durability = .volatile
    configuration.startTimeout = .seconds(300)
    configuration.settings = ["max_connections": "300", "max_wal_size": "256MB", "shared_buffers": "64MB"]
    let cluster = try await EmbeddedPostgres.start(configuration)
    removedAtExit = cluster
    atexit { removedAtExit?.destroy() }
    return cluster
  }

  /// Short, because the path of a socket is.
  private static let parent = "/tmp"
  private static let prefix = "registry-test-"
}

/// What the exit handler, which can capture nothing, has to remove. Set once, before the handler is registered.
nonisolated(unsafe) private var removedAtExit: EmbeddedPostgres?

import Foundation

extension EmbeddedPostgres {
  /// Ends the server at once and removes the cluster with everything in it. For clusters that are thrown away.
  ///
  /// It blocks until the server is gone, and can be called from an exit handler.
  package nonisolated func destroy() {
    server.directories.destroy()
  }

  /// Destroys the clusters of processes that ended without doing so.
  ///
  /// A cluster is abandoned when nobody holds its locks: these end with their process, however it ends, so that no
  /// process id has to be trusted. What is younger than a minute is left alone, because its maker may be about to take
  /// the locks.
  ///
  /// - Parameters:
  ///   - parent: The directory that holds the state directories.
  ///   - prefix: What their names begin with.
  package static func destroyAbandoned(in parent: String, prefix: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    for name in names where name.hasPrefix(prefix) {
      let path = parent + "/" + name
      guard let status = FileStatus(path), status.isDirectory, status.owner == geteuid(),
        status.modificationTime.timeIntervalSinceNow < -60,
        let directories = try? ClusterDirectories(Configuration(stateDirectory: path)),
        let startLock = try? FileLock(path: directories.startLock), startLock.tryLock(.exclusive),
        let useLock = try? FileLock(path: directories.useLock), useLock.tryLock(.exclusive)
      else { continue }
      directories.destroy()
    }
  }
}

extension ClusterDirectories {
  /// Ends the server without letting it write anything, and removes the cluster. Blocks; needs no concurrency.
  func destroy() {
    if let file = PostmasterFile(self), file.process(self) == .thisServer {
      kill(file.processID, SIGQUIT)
      for attempt in 0..<1000 where file.process(self) == .thisServer {
        if attempt == 500 { kill(file.processID, SIGKILL) }
        usleep(5_000)
      }
    }
    SocketDirectory.removeIfElsewhere(self)
    try? FileManager.default.removeItem(atPath: state)
  }
}

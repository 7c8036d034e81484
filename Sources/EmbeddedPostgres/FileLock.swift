import Foundation

/// A `flock` on a file, given back when it is released, closed or its process ends, however it ends.
///
/// The lock belongs to the open file, not to the process: two instances in one process exclude each other too. The
/// descriptor is closed on `exec`, so a server that is started under the lock does not keep it.
final class FileLock: Sendable {
  enum Mode { case shared, exclusive }

  let path: String
  private let descriptor: Int32

  /// Opens the file, making it when missing. Takes no lock yet.
  init(path: String) throws(EmbeddedPostgresError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw EmbeddedPostgresError(
        .stateDirectoryUnusable,
        "The lock file \(path) cannot be opened (\(systemErrorText())). The state directory must belong to the account "
          + "that runs this; choose another one with REGISTRY_STATE_DIR.")
    }
  }

  deinit { close(descriptor) }

  /// Takes the lock if that needs no waiting. A lock already held is converted.
  func tryLock(_ mode: Mode) -> Bool {
    flock(descriptor, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0
  }

  /// Waits for the lock until the deadline.
  ///
  /// It looks again every 50 ms: a blocking `flock` would hold one of Swift's few threads for as long as the other
  /// process takes.
  func lock(_ mode: Mode, timeout: Duration) async throws {
    let deadline = ContinuousClock.now.advanced(by: timeout)
    while !tryLock(mode) {
      guard ContinuousClock.now < deadline else {
        throw EmbeddedPostgresError(
          .busy,
          "Another process has held \(path) for longer than \(timeout): it is starting or stopping the same cluster. "
            + "Wait for it or end it, or choose another state directory with REGISTRY_STATE_DIR.")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  func unlock() {
    _ = flock(descriptor, LOCK_UN)
  }
}

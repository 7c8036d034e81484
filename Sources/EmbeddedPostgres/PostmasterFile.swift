import Foundation

/// What a running or crashed server says about itself in `postmaster.pid`.
///
/// The lines are fixed by PostgreSQL (`src/include/utils/pidfile.h`).
struct PostmasterFile {
  let processID: pid_t
  let socketDirectory: String?
  let isReady: Bool

  init?(_ directories: ClusterDirectories) {
    guard let text = try? String(contentsOfFile: directories.postmasterFile, encoding: .utf8) else { return nil }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.first, let number = pid_t(first.trimmingCharacters(in: .whitespaces)), number > 1 else {
      return nil
    }
    processID = number
    socketDirectory = lines.count > 4 ? String(lines[4]) : nil
    isReady = lines.count > 7 && lines[7].trimmingCharacters(in: .whitespaces) == "ready"
  }

  /// What the process of that id is.
  enum Process {
    case none, thisServer, stranger
  }

  /// Tells a live server from a dead one whose process id another program has got since.
  func process(_ directories: ClusterDirectories) -> Process {
    guard kill(processID, 0) == 0 || errno == EPERM else { return .none }
    guard let commandLine = FileManager.default.contents(atPath: "/proc/\(processID)/cmdline") else {
      // Without /proc (macOS) the id is all there is to go by, unless the process ended in this very moment.
      return kill(processID, 0) == 0 || errno == EPERM ? .thisServer : .none
    }
    let words = commandLine.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    return words.contains(directories.data) ? .thisServer : .stranger
  }
}

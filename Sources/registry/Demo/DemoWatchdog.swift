import Foundation

/// A small shell that outlives the demo and ends what the demo started when that ends without doing so itself.
///
/// It hears of the demo's end, however that comes, by the end of its own standard input. Linux's death signal of a
/// parent would bind to a thread here, and other systems have none.
struct DemoWatchdog: Sendable {
  private let input: FileHandle
  private let process: ChildProcess

  /// Starts the shell.
  ///
  /// - Throws: `CocoaError` when it cannot be started.
  init() throws {
    let pipe = Pipe()
    self.input = pipe.fileHandleForWriting
    // Another child that held this end would keep the shell waiting.
    _ = fcntl(self.input.fileDescriptor, F_SETFD, FD_CLOEXEC)
    self.process = try ChildProcess(
      "/bin/sh", ["-c", Self.script], environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"], input: pipe,
      output: .nullDevice)
  }

  /// Has a process ended with the demo.
  func watch(process: Int32) { self.say("process \(process)") }

  /// Has a directory removed with the demo, after the PostgreSQL server inside it was ended.
  func watch(directory: String) { self.say("directory \(directory)") }

  /// Sends the shell away: everything is cleared up, or meant to stay.
  func dismiss() async {
    self.say("dismiss")
    _ = await self.process.waitForEnd()
  }

  private func say(_ line: String) {
    try? self.input.write(contentsOf: Data((line + "\n").utf8))
  }

  private static let script = #"""
    trap '' INT TERM HUP
    processes= directory=
    while read -r verb value; do
      case $verb in
      process) processes="$processes $value" ;;
      directory) directory=$value ;;
      dismiss) exit 0 ;;
      esac
    done
    for process in $processes; do kill -TERM "$process"; done 2>/dev/null
    sleep 1
    for process in $processes; do kill -KILL "$process"; done 2>/dev/null
    [ -n "$directory" ] || exit 0
    find "$directory" -name postmaster.pid -exec head -n 1 {} \; | while read -r process; do
      kill -QUIT "$process"
      sleep 1
    done 2>/dev/null
    rm -rf "$directory"
    """#
}

import EmbeddedPostgres
import Foundation

/// Uses a private cluster from a process of its own, which tests can run as another account and kill.
///
/// Arguments: the state directory, and `--leave-running`. It writes one line when the cluster runs (`started` or
/// `joined`, and how to connect), stops the cluster when its standard input ends, and then writes `stopped`. An error
/// is one line: its code and its sentence.
@main
struct Probe {
  static func main() async {
    var configuration = EmbeddedPostgres.Configuration(stateDirectory: CommandLine.arguments.dropFirst().first)
    configuration.leavesRunning = CommandLine.arguments.contains("--leave-running")
    configuration.durability = .volatile
    // All tests at once keep a machine so busy that a server takes its time.
    configuration.startTimeout = .seconds(300)
    do {
      let cluster = try await EmbeddedPostgres.start(configuration)
      say("\(cluster.startedServer ? "started" : "joined") \(cluster.connectionInfo)")
      while readLine() != nil {}
      try await cluster.stop()
      say("stopped")
    } catch let error as EmbeddedPostgresError {
      say("\(error.code) \(error.message)")
      exit(1)
    } catch {
      say("unexpected \(error)")
      exit(1)
    }
  }

  /// Writes a line at once, without the buffering that standard output has in a pipe.
  private static func say(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
  }
}

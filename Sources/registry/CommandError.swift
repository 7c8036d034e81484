import ArgumentParser

/// Why a command could not do what it was asked to, with its exit code.
struct CommandError: Error, CustomStringConvertible {
  /// One sentence for the person at the terminal.
  let description: String
  /// What the process ends with.
  let exitCode: CommandExit

  init(_ description: String, _ exitCode: CommandExit = .notDone) {
    self.description = description
    self.exitCode = exitCode
  }
}

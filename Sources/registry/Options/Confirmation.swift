import Foundation

/// Asks the person at the terminal before something is done that cannot be undone.
enum Confirmation {
  /// Asks, unless the answer was given on the command line.
  ///
  /// - Parameters:
  ///   - question: What is about to be done.
  ///   - yes: Whether `--yes` was given.
  /// - Throws: ``CommandError`` when the person does not say yes, and where nobody can be asked.
  static func require(_ question: String, yes: Bool) throws {
    if yes { return }
    guard isatty(STDIN_FILENO) == 1 else {
      throw CommandError("\(question) Nobody can be asked here: give --yes.", .usage)
    }
    StandardError.write("\(question) [y/N] ")
    let answer = (readLine() ?? "").trimmingCharacters(in: .whitespaces).lowercased()
    guard ["y", "yes"].contains(answer) else { throw CommandError("Nothing was done.") }
  }
}

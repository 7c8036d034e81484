import Foundation
import Subprocess

extension Execution where Input == CustomWriteInput {
  /// Gives a program what it may read on its standard input, which it then finds at its end.
  ///
  /// With `.string` Subprocess 1.0 ends the whole process where a program ends before it has read (swift-subprocess,
  /// issue 367).
  func feed(_ text: String) async {
    // Unlike SIG_IGN this is not inherited by programs.
    signal(SIGPIPE) { _ in }
    _ = try? await standardInputWriter.write(text)
    try? await standardInputWriter.finish()
  }
}

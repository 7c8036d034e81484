import ArgumentParser

/// How much of a list to print.
struct PageOptions: ParsableArguments {
  /// How many rows are asked for at once.
  static let pageSize = 200

  @Option(help: ArgumentHelp("Print so many rows at most.", valueName: "n"))
  var limit: Int = 50

  @Flag(help: "Print all rows.")
  var all = false

  @Option(help: ArgumentHelp("Go on where the last page ended: its next_cursor.", valueName: "cursor"))
  var cursor: String?

  func validate() throws {
    guard limit > 0 else { throw ValidationError("--limit takes a number from 1.") }
  }
}

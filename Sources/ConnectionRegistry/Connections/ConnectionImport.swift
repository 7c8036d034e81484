/// What taking over Terra's listing came to.
public struct ConnectionImport: Sendable, Hashable, Codable {
  /// How many connections the pages held.
  public var listed = 0
  /// How many the registry did not know: written as alive.
  public var added = 0
  /// How many it knew and thought dead, or not yet alive: written as alive, which a later ending outweighs.
  public var revived = 0
  /// How many it knew alive, but without this app user or resource: written.
  public var completed = 0
  /// How many it knew as they are: nothing is written.
  public var known = 0
  /// How many Terra takes in no data for: nothing is written, because that alone proves nothing.
  public var inactive = 0
  /// How many were erased here: nothing is written.
  public var erased = 0
  /// How many pages were read.
  public var pages = 0
  /// Whether nothing was written because that was asked for.
  public var isDryRun: Bool
  /// Whether the listing was read to its end.
  public var isComplete = false
  /// Where to go on, counted from zero, where it was not.
  public var nextPage: Int?
  /// Why it was not.
  public var problem: String?

  init(isDryRun: Bool) {
    self.isDryRun = isDryRun
  }
}

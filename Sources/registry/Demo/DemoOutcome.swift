/// Everything that a demo came to.
struct DemoOutcome: Sendable {
  /// The seed.
  let seed: UInt64
  /// How many app users took part.
  let appUsers: Int
  /// Counts and times.
  let figures: DemoFigures
  /// Requests for a session that had to be repeated.
  let repetitions: Int
  /// What went wrong in the demo itself.
  let problems: [String]
  /// How often the service was killed.
  let kills: Int
  /// How long the reconcile of all tenants took, in seconds.
  let reconcileSeconds: Double
  /// Expected against found.
  let comparison: DemoComparison
  /// One finding of each kind that was found.
  let examples: [JSONValue]
  /// PostgreSQL's major version.
  let postgresVersion: Int
  /// How long everything took, in seconds.
  let seconds: Double

  /// Which build this is.
  static var build: String {
    #if DEBUG
      "debug"
    #else
      "release"
    #endif
  }

  /// Whether found is expected everywhere, nothing was lost, and every kind happened at all.
  var holds: Bool { self.comparison.agrees && self.comparison.kinds.allSatisfy { $0.expected > 0 } }
}

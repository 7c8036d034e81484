/// What the command line asked of the demo.
struct DemoOptions: Sendable {
  /// The seed of population and faults.
  var seed: UInt64
  /// How many app users connect.
  var appUsers: Int
  /// Where to write the checks; nil writes none.
  var jsonFile: String?
  /// Whether service and cluster stay.
  var keep: Bool
  /// The oracle's path; nil looks for it.
  var oracle: String?
  /// Whether the service is killed in the middle of the traffic.
  var killService: Bool
  /// Where the demo makes its own directory; nil takes the system's one for temporary files.
  var stateDirectory: String?
}

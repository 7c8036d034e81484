/// What a run does beside comparing what is recorded since the last one.
struct RunScope: Sendable, Hashable {
  /// Whether everything that was ever recorded is examined.
  var isFull = false
  /// Whether Terra's listing is asked for; nil is when the tenant's settings say so.
  var asksProvider: Bool?
  /// How far it may go; nil is what the tenant's settings say.
  var repair: RepairMode?
  /// The longest pause that Terra may ask for: whoever works on many tenants waits for none of them.
  var patience: Duration = TerraQuestions.longestPause

  /// Only the comparison.
  static let local = RunScope(asksProvider: false, repair: RepairMode.none)
  /// What the tenants' settings say, by a process that has other tenants to run.
  static let scheduled = RunScope(patience: .seconds(2))
}

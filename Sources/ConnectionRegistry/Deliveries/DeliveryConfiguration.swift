package import Foundation

/// How deliveries are sent.
public struct DeliveryConfiguration: Sendable {
  /// Whether ``ConnectionRegistry/run()`` sends them. Off, they are written and wait for a process that does.
  public var areSent = true
  /// Where they may go beside public addresses.
  public var allowed = DestinationPolicy()
  /// How long one attempt may take, from the look-up of the host to the end of the answer.
  public var deadline: Duration = .seconds(15)
  /// How long after a failed first attempt the second follows; each pause is three times the one before, up to eight
  /// hours, for three days.
  public var firstRetry: Duration = .seconds(5)
  /// For how long an endpoint belongs to the process that serves it, unless that says it is still there: after a crash
  /// the endpoint waits so long. More than twice the deadline.
  public var lease: Duration = .seconds(60)
  /// How often is looked for what is due, whatever wakes earlier.
  public var interval: Duration = .seconds(1)
  /// How many attempts at one endpoint are under way at once.
  public var concurrency = 8
  /// How long an endpoint may fail without a success before it is disabled.
  public var disabledAfter: Duration = .seconds(5 * 86_400)
  /// How long deliveries are kept that were delivered or given up.
  public var retention: Duration = .seconds(30 * 86_400)
  /// How many deliveries of a backlog are told in one transaction that they are due.
  var releasedAtOnce = 1_000
  /// What finds the addresses of hosts.
  var hostResolver = HostResolver()
  /// A file with the authorities whose certificates count; nil is those that this machine trusts.
  var trustRootsFile: String?
  /// Told when what became of an attempt has been written.
  package var recorded: @Sendable () -> Void = {}
  /// What time it is.
  package var clock: @Sendable () -> Date = { Date() }

  /// The defaults.
  public init() {}

  var schedule: DeliverySchedule {
    var schedule = DeliverySchedule()
    schedule.first = firstRetry
    return schedule
  }
}

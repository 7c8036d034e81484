import ArgumentParser
import ConnectionRegistry

/// What can be said about a tenant when it is made and later on.
struct TenantSettingOptions: ParsableArguments {
  @Option(
    name: .customLong("terra-base-url"), help: ArgumentHelp("Terra's REST API, with its version.", valueName: "url"))
  var terraBaseURL: String?

  @Option(
    name: .customLong("terra-widget-url"),
    help: ArgumentHelp("Where widget sessions are made, in full.", valueName: "url"))
  var terraWidgetURL: String?

  @Option(help: ArgumentHelp("How long a missing event or callback is waited for, such as 10m.", valueName: "time"))
  var grace: DurationArgument?

  @Option(help: ArgumentHelp("How long a session lives; unless said as long as Terra says.", valueName: "time"))
  var sessionExpiry: DurationArgument?

  @Option(help: ArgumentHelp("How old a signed event may be before it is quarantined.", valueName: "time"))
  var horizon: DurationArgument?

  @Option(help: ArgumentHelp("How long all deliveries may be rejected before that is a finding.", valueName: "time"))
  var signatureFailingAfter: DurationArgument?

  @Flag(inversion: .prefixedNo, help: "Only record and report, beside a live system.")
  var shadow: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "Demand that the browser that comes back is the one that began; sessions then begin at /connect.")
  var bindsBrowser: Bool?

  @Option(
    help: ArgumentHelp("How often the schedule asks for Terra's listing, such as 6h; off is never.", valueName: "time"))
  var providerEvery: IntervalArgument?

  @Option(help: ArgumentHelp("How far the schedule's runs may go: none or safe.", valueName: "mode"))
  var repair: RepairMode?
}

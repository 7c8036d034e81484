public import ArgumentParser
import ConnectionRegistry
public import RegistryModel

extension ConnectionStatus: ExpressibleByArgument {}

/// Which connections a command is about.
struct ConnectionFilterOptions: ParsableArguments {
  @Option(name: .customLong("reference-id"), help: ArgumentHelp("Only of this app user.", valueName: "id"))
  var referenceID: String?

  @Option(help: ArgumentHelp("Only at this provider, such as FITBIT.", valueName: "name"))
  var resource: String?

  @Option(
    name: .customLong("status"), help: ArgumentHelp("Only in this state; may be repeated.", valueName: "status"))
  var statuses: [ConnectionStatus] = []

  @Option(help: ArgumentHelp("Only those with this tag.", valueName: "key=value"))
  var tag: Tag?

  @OptionGroup var created: CreatedSpanOptions

  @Option(help: ArgumentHelp("Only those that last changed at this time or later (RFC 3339).", valueName: "time"))
  var updatedSince: TimeArgument?

  @Option(help: ArgumentHelp("Only those that last changed before this time (RFC 3339).", valueName: "time"))
  var updatedUntil: TimeArgument?

  @Option(help: ArgumentHelp("Only those whose data last came before this time, or never.", valueName: "time"))
  var staleSince: TimeArgument?

  /// The filter.
  var filter: ConnectionFilter {
    ConnectionFilter(
      referenceID: referenceID, resource: resource?.uppercased(), statuses: statuses.isEmpty ? nil : Set(statuses),
      created: created.range, updated: TimeRange(since: updatedSince?.date, until: updatedUntil?.date), tag: tag,
      staleSince: staleSince?.date)
  }
}

import ArgumentParser
import ConnectionRegistry

/// A span of the time by which a list is ordered.
struct SpanOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Only from this time on (RFC 3339).", valueName: "time"))
  var since: TimeArgument?

  @Option(help: ArgumentHelp("Only before this time (RFC 3339).", valueName: "time"))
  var until: TimeArgument?

  /// The span.
  var range: TimeRange { TimeRange(since: since?.date, until: until?.date) }
}

/// A span of the time at which something was first heard of.
struct CreatedSpanOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Only those first heard of at this time or later (RFC 3339).", valueName: "time"))
  var createdSince: TimeArgument?

  @Option(help: ArgumentHelp("Only those first heard of before this time (RFC 3339).", valueName: "time"))
  var createdUntil: TimeArgument?

  /// The span.
  var range: TimeRange { TimeRange(since: createdSince?.date, until: createdUntil?.date) }
}

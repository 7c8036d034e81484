import ArgumentParser

/// Whose data a command works on.
struct TenantOption: ParsableArguments {
  @Option(help: ArgumentHelp("The tenant's slug.", valueName: "slug"))
  var tenant: String
}

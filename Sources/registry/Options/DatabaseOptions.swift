import ArgumentParser

/// Which database a command works on.
struct DatabaseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The PostgreSQL database, as a URL or as keywords and values.",
      discussion: """
        Without it REGISTRY_DATABASE_URL is taken, then libpq's own variables (PGHOST, PGSERVICE …). With none of \
        these the command uses a private cluster in REGISTRY_STATE_DIR. A password is better kept in the environment \
        or in ~/.pgpass: arguments are seen by every account of the machine.
        """, valueName: "url"))
  var databaseURL: String?
}

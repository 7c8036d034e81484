import ArgumentParser

/// The two secrets that a tenant has at Terra: read from files or variables, never from arguments.
struct TenantSecretOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The file that holds Terra's API key; - is standard input.", valueName: "file"))
  var terraAPIKeyFile: String?

  @Option(help: ArgumentHelp("The file that holds the signing secret; - is standard input.", valueName: "file"))
  var signingSecretFile: String?

  func validate() throws {
    if terraAPIKeyFile == "-", signingSecretFile == "-" {
      throw ValidationError("Only one secret can come from standard input.")
    }
  }

  /// Reads what is given.
  ///
  /// - Returns: Each secret; nil where neither its file nor its variable gives one.
  /// - Throws: `ValidationError` for a file that cannot be read or is empty.
  func readIfGiven() throws -> (terraAPIKey: String?, signingSecret: String?) {
    (
      try Self.terraAPIKey.readIfGiven(file: terraAPIKeyFile),
      try Self.signingSecret.readIfGiven(file: signingSecretFile)
    )
  }

  /// Reads both.
  ///
  /// - Returns: The secrets.
  /// - Throws: `ValidationError` that names the option and the variable where one is missing, and for a file that
  ///   cannot be read or is empty.
  func read() throws -> (terraAPIKey: String, signingSecret: String) {
    (try Self.terraAPIKey.read(file: terraAPIKeyFile), try Self.signingSecret.read(file: signingSecretFile))
  }

  private static let terraAPIKey = SecretSource(
    option: "--terra-api-key-file", variable: "REGISTRY_TENANT_TERRA_API_KEY")
  private static let signingSecret = SecretSource(
    option: "--signing-secret-file", variable: "REGISTRY_TENANT_SIGNING_SECRET")
}

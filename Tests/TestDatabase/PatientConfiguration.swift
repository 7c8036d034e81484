public import RegistryPostgres

/// All tests at once keep a machine so busy that no time limit of a user's would hold.
extension PostgresPool.Configuration {
  /// A pool that waits for its server.
  public static func patient(_ connectionString: String, role: String? = nil) -> Self {
    var configuration = Self(connectionString, role: role)
    configuration.defaultTimeout = .seconds(300)
    configuration.connectTimeout = .seconds(300)
    return configuration
  }
}

extension PostgresLane.Configuration {
  /// A lane that waits for its server.
  public static func patient(_ connectionString: String, role: String? = nil) -> Self {
    var configuration = Self(connectionString, role: role)
    configuration.defaultTimeout = .seconds(300)
    configuration.connectTimeout = .seconds(300)
    return configuration
  }
}

import RegistrySQL

/// Which registry this is.
public enum RegistryRelease {
  /// The release, by semantic versioning; one with `-dev` was never released.
  public static let number = "0.1.0-dev"
  /// The number of the last migration that it brings.
  public static let schema = RegistryMigrations.all.last?.number ?? 0
}

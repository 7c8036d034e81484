import RegistryPostgres

/// Whether the registry can serve.
public struct Readiness: Sendable, Hashable, Codable {
  /// One thing that was looked at.
  public struct Check: Sendable, Hashable, Codable {
    /// `database` or `schema`.
    public var name: String
    /// Whether it is as it must be.
    public var ok: Bool
    /// What was seen, and what to do where it is not as it must be.
    public var message: String
  }

  /// Whether everything is as it must be.
  public var ready: Bool { checks.allSatisfy(\.ok) }
  /// What was looked at, in order; a later check is left out where an earlier one failed.
  public var checks: [Check]

  private enum CodingKeys: CodingKey {
    case ready, checks
  }

  /// Creates an answer.
  ///
  /// - Parameter checks: what was looked at.
  public init(checks: [Check]) {
    self.checks = checks
  }

  /// Reads an answer.
  ///
  /// - Parameter decoder: holds `checks`.
  /// - Throws: what decoding throws.
  public init(from decoder: any Decoder) throws {
    checks = try decoder.container(keyedBy: CodingKeys.self).decode([Check].self, forKey: .checks)
  }

  /// Writes the answer, with what follows from its checks.
  ///
  /// - Parameter encoder: takes `ready` and `checks`.
  /// - Throws: what encoding throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(ready, forKey: .ready)
    try container.encode(checks, forKey: .checks)
  }
}

extension ConnectionRegistry {
  /// Looks whether the database answers on the ways that requests take, and its schema is what this version needs.
  ///
  /// - Returns: what was seen; never an error.
  public func readiness() async -> Readiness {
    do {
      try await database.probe(until: .now + .seconds(5))
      let status = try await Migrator(pool: workerPool, logger: logger).requireMigrated()
      let newest = status.applied.last.map { "migrated up to \($0.number)" } ?? "migrated"
      return Readiness(checks: [
        .init(name: "database", ok: true, message: "answers"),
        .init(name: "schema", ok: true, message: status.warning ?? newest),
      ])
    } catch let error as MigrationError {
      return Readiness(checks: [
        .init(name: "database", ok: true, message: "answers"), .init(name: "schema", ok: false, message: "\(error)"),
      ])
    } catch {
      return Readiness(checks: [
        .init(name: "database", ok: false, message: "\(RegistryDatabase.named(error))")
      ])
    }
  }
}

public import RegistrySQL

/// How a database's schema stands to the migrations that this binary knows.
public struct SchemaStatus: Sendable, Hashable {
  /// What ran, by number.
  public let applied: [AppliedMigration]
  /// What this binary knows and the database has not run, by number.
  public let pending: [Migration]
  /// What the database has run and this binary does not know, by number: a newer binary was here.
  public let newer: [AppliedMigration]
  /// Everything that forbids to work on this schema or to migrate it; empty on a sound one.
  public let problems: [MigrationError]

  /// What is worth telling an operator although work can go on, or nil.
  public var warning: String? {
    guard problems.isEmpty, let last = newer.last else { return nil }
    return "the schema is at migration \(last.number) (\(last.name)), newer than this binary, and compatible with it; "
      + "update the binary when you can"
  }

  /// Compares a log with the migrations that a binary knows.
  ///
  /// - Parameters:
  ///   - log: The rows of the database's migration log, in any order.
  ///   - known: The migrations embedded in this binary, by number from 1 without gaps.
  public init(log: [AppliedMigration], known: [Migration]) {
    applied = log.sorted { $0.number < $1.number }
    let numbers = Set(log.map(\.number))
    pending = known.filter { !numbers.contains($0.number) }
    let latestKnown = known.last?.number ?? 0
    newer = applied.filter { $0.number > latestKnown }

    var problems: [MigrationError] = []
    let recorded = Dictionary(log.map { ($0.number, $0.checksum) }, uniquingKeysWith: { first, _ in first })
    for migration in known {
      guard let checksum = recorded[migration.number], checksum != migration.checksum else { continue }
      problems.append(
        .checksumChanged(file: migration.fileName, recorded: checksum, embedded: migration.checksum))
    }
    if let last = applied.last?.number, last != applied.count {
      let missing = (1...last).filter { !numbers.contains($0) }
      problems.append(.gap(missing: missing, latest: last))
    }
    if let breaking = newer.last(where: \.isBreaking) {
      problems.append(.schemaTooNew(number: breaking.number, name: breaking.name, latestKnown: latestKnown))
    }
    self.problems = problems
  }
}

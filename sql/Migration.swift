import Crypto

/// One step of the schema's history: a file of `sql/migrations`, embedded when the package was built.
public struct Migration: Sendable, Hashable {
  /// The number, from 1, without gaps.
  public let number: Int
  /// The name without number and ending.
  public let name: String
  /// Whether a binary made before this migration can no longer work on the migrated schema.
  public let isBreaking: Bool
  /// Whether its statements and its log row share one transaction. Without one each statement must bear being repeated.
  public let isTransactional: Bool
  /// SHA-256, in lower-case hex, of what is run: the two marks of the header and the statements, with the comments inside them.
  ///
  /// A migration that has run is never edited; comments between its statements may be, because no database has seen them.
  public let checksum: String
  /// The statements in order, each to be sent in a message of its own.
  public let statements: [String]

  /// The file's name: `0001_tenancy.sql`.
  public var fileName: String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "_" + name + ".sql"
  }

  /// Makes a migration; the product's own come from ``RegistryMigrations``, others serve tests of a migrator.
  package init(number: Int, name: String, isBreaking: Bool, isTransactional: Bool, statements: [String]) {
    self.number = number
    self.name = name
    self.isBreaking = isBreaking
    self.isTransactional = isTransactional
    self.statements = statements
    let marks = "breaking: \(isBreaking)\ntransaction: \(isTransactional)\n"
    checksum = SHA256.hash(data: Array((marks + statements.joined(separator: ";\n")).utf8)).map { byte in
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }
}

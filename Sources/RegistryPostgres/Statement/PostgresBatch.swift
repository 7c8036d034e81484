#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Statements that run as one transaction in one round trip.
///
/// On the wire it is `BEGIN; SET LOCAL … ; statements; COMMIT` in one pipeline with a single sync. Results are handed
/// out only once COMMIT and the sync are answered; if one statement fails, the whole is rolled back and the error names
/// the statement's index.
public struct PostgresBatch: Sendable {
  /// A setting that holds for the transaction: `SET LOCAL name = 'value'`, a statement of its own after BEGIN.
  ///
  /// SET takes no parameter, so the name is restricted and the value is quoted here.
  public struct Setting: Sendable, Hashable {
    /// The setting's name, for example `registry.tenant_id`.
    public let name: String
    /// The statement that sets it.
    let text: String

    /// A setting whose value is a uuid.
    /// - Parameters:
    ///   - name: letters, digits, `_` and `.` only, for example `registry.tenant_id`.
    ///   - value: the uuid.
    /// - Throws: ``PostgresError`` of code `invalidParameter` when the name has other characters.
    public init(_ name: String, _ value: UUID) throws(PostgresError) {
      try Self.check(name)
      self.init(name, quoted: value.uuidString.lowercased())
    }

    /// A setting whose value is text.
    /// - Parameters:
    ///   - name: letters, digits, `_` and `.` only, for example `statement_timeout`.
    ///   - value: at most 1,024 bytes, without NUL and backslash.
    /// - Throws: ``PostgresError`` of code `invalidParameter` when the name or the value breaks these limits.
    public init(_ name: String, _ value: String) throws(PostgresError) {
      try Self.check(name)
      guard value.utf8.count <= 1024, !value.utf8.contains(0), !value.utf8.contains(UInt8(ascii: "\\")) else {
        throw PostgresError(
          .invalidParameter,
          "the value of setting \(name) may have at most 1,024 bytes, and neither NUL nor backslash")
      }
      self.init(
        name, quoted: value.utf8.contains(UInt8(ascii: "'")) ? value.replacing("'", with: "''") : value)
    }

    private init(_ name: String, quoted value: String) {
      self.name = name
      text = "SET LOCAL \(name) = '\(value)'"
    }

    /// One or two words with a dot between, each of letters, digits and `_` and none beginning with a digit.
    private static func check(_ name: String) throws(PostgresError) {
      var isWellFormed = name.utf8.count <= 128
      var dots = 0
      var isAtStart = true
      for byte in name.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
          isAtStart = false
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
          isWellFormed = isWellFormed && !isAtStart
        case UInt8(ascii: "."):
          dots += 1
          isWellFormed = isWellFormed && !isAtStart && dots == 1
          isAtStart = true
        default:
          isWellFormed = false
        }
      }
      guard isWellFormed, !isAtStart else {
        throw PostgresError(
          .invalidParameter,
          "a setting's name is at most 128 letters, digits and _, with one dot at most, as in registry.tenant_id")
      }
    }
  }

  /// Where a batch stands among those that share its transaction, for a scheduler that joins the batches of many callers.
  ///
  /// Transactions that lock the same rows in different orders deadlock. Callers are independent of each other, so they
  /// can be put in any order; in the order of their keys all transactions, those of other processes too, lock in one.
  public enum Order: Sendable, Hashable {
    /// Anywhere, before those that have a key: it locks nothing that others lock too.
    case any
    /// In the order of these bytes. Whoever locks one contended row gives what identifies it. Where the bytes begin with
    /// the tenant, a tenant's callers follow each other and its setting travels once.
    case by([UInt8])
    /// In a transaction of its own: it locks several contended rows, itself in the order of their keys.
    case alone
  }

  /// The settings, in order.
  public var settings: [Setting]
  /// The statements, in order.
  public var statements: [PostgresStatement]
  /// How the transaction is isolated from others.
  public var isolation: PostgresIsolation
  /// Where it stands among those that share its transaction; a pool, which joins none, does not look at it.
  public var order: Order

  /// Describes a batch; nothing is sent yet.
  /// - Parameters:
  ///   - settings: what `SET LOCAL` sets before the statements.
  ///   - statements: at most ``maximumStatements``.
  ///   - isolation: the isolation level and access mode; by default the server's own.
  ///   - order: where it stands among those that share its transaction; by default anywhere.
  public init(
    settings: [Setting] = [], statements: [PostgresStatement], isolation: PostgresIsolation = .serverDefault,
    order: Order = .any
  ) {
    self.settings = settings
    self.statements = statements
    self.isolation = isolation
    self.order = order
  }

  /// The most statements that one batch may hold: 4,096.
  public static let maximumStatements = 4096
}

/// One statement of `sql/queries`, checked when the package was built.
public struct NamedStatement: Sendable, Hashable {
  /// The database role that a statement needs.
  public enum Role: String, Sendable, Hashable, CaseIterable {
    /// Works for one tenant, under row-level security; owns nothing.
    case service
    /// Works across tenants with narrow grants: lists due tenants, resolves slugs and keys.
    case worker
    /// Owns the schema: migrations and what an operator does.
    case owner
  }

  /// The name in snake case, unique; also the name it is prepared under.
  public let name: String
  /// The role that runs it.
  public let role: Role
  /// Whether it only reads, as was told from its words when the package was built.
  public let isReadOnly: Bool
  /// Whether it may take long, as a list or a comparison does: to be run where it holds up nobody else's statement.
  public let isLong: Bool
  /// Whether to run it twice with the same parameters is to run it once, so that it may be repeated when it is not known
  /// whether it was committed: it reads, or writes under a key of its own, or joins what only grows.
  public let isRepeatable: Bool
  /// How many parameters it takes, `$1` up to this number.
  public let parameterCount: Int
  /// The text that is sent.
  public let text: String

  init(
    name: String, role: Role, isReadOnly: Bool, isLong: Bool, isRepeatable: Bool, parameterCount: Int, text: String
  ) {
    self.name = name
    self.role = role
    self.isReadOnly = isReadOnly
    self.isLong = isLong
    self.isRepeatable = isRepeatable
    self.parameterCount = parameterCount
    self.text = text
  }
}

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
  /// How many parameters it takes, `$1` up to this number.
  public let parameterCount: Int
  /// The text that is sent.
  public let text: String

  init(name: String, role: Role, parameterCount: Int, text: String) {
    self.name = name
    self.role = role
    self.parameterCount = parameterCount
    self.text = text
  }
}

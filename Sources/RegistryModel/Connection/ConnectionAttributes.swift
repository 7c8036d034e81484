/// The values that a fact carries about a connection; one that is absent or empty claims nothing and erases nothing.
public struct ConnectionAttributes: Sendable, Hashable {
  /// The team's id of the app user.
  public var referenceID: String?
  /// The provider, in upper case.
  public var resource: String?
  /// The scopes granted, separated by commas.
  public var scopes: String?

  /// - Parameters:
  ///   - referenceID: the team's id of the app user.
  ///   - resource: the provider, in upper case.
  ///   - scopes: the scopes granted, separated by commas.
  public init(referenceID: String? = nil, resource: String? = nil, scopes: String? = nil) {
    self.referenceID = referenceID
    self.resource = resource
    self.scopes = scopes
  }

  /// No value at all.
  public static let none = ConnectionAttributes()
}

/// The connections of one environment, found by id and by the account at the provider.
struct ConnectionShelf: Sendable {
  private struct Account: Hashable {
    var resource: String
    var name: String
  }

  private var byID: [String: TerraConnection] = [:]
  /// Only authenticated ones; thousands of people connect, and each asks who else holds the account.
  private var byAccount: [Account: Set<String>] = [:]
  /// How many are authenticated.
  private(set) var authenticatedCount = 0

  /// The connection of an id; nil removes it.
  subscript(userID: String) -> TerraConnection? {
    get { self.byID[userID] }
    set {
      self.forget(self.byID[userID])
      self.byID[userID] = newValue
      guard let newValue, newValue.isAuthenticated else { return }
      self.byAccount[Account(resource: newValue.resource, name: newValue.account), default: []].insert(userID)
      self.authenticatedCount += 1
    }
  }

  /// Removes a connection and returns it.
  mutating func removeValue(forKey userID: String) -> TerraConnection? {
    defer { self[userID] = nil }
    return self[userID]
  }

  /// The authenticated connections of one account at one provider, oldest first.
  func holders(resource: String, account: String) -> [TerraConnection] {
    let ids = self.byAccount[Account(resource: resource, name: account)] ?? []
    return Self.sorted(ids.compactMap { self.byID[$0] })
  }

  /// The authenticated connections, oldest first.
  var authenticated: [TerraConnection] { Self.sorted(self.byID.values.filter(\.isAuthenticated)) }

  private mutating func forget(_ connection: TerraConnection?) {
    guard let connection, connection.isAuthenticated else { return }
    let account = Account(resource: connection.resource, name: connection.account)
    self.byAccount[account]?.remove(connection.userID)
    if self.byAccount[account]?.isEmpty == true { self.byAccount[account] = nil }
    self.authenticatedCount -= 1
  }

  private static func sorted(_ connections: [TerraConnection]) -> [TerraConnection] {
    connections.sorted { ($0.createdAt, $0.userID) < ($1.createdAt, $1.userID) }
  }
}

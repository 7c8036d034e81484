import Foundation

extension LedgerRecord {
  /// One page of the listing of connections, as it was answered.
  public struct Page: Sendable, Hashable {
    /// A connection on the page.
    public struct User: Sendable, Hashable {
      /// The connection.
      public var userID: String
      /// The app user.
      public var referenceID: String?
      /// The provider.
      public var resource: String
      /// Terra's `active`.
      public var isActive: Bool
    }

    /// The slug of the environment that asked.
    public var tenant: String
    /// The page that was asked for; nil for the whole listing.
    public var number: Int?
    /// The status of the answer.
    public var status: Int
    /// What stood on the page; nil where the answer held no listing.
    public var users: [User]?
    /// The page that the answer says comes next.
    public var next: Int?
    /// The last page that the answer says there is.
    public var last: Int?
    /// When, in seconds since 1970.
    public var at: Double

    var json: JSONValue {
      [
        "record": "page", "tenant": .string(tenant), "page": .count(number), "status": .count(status),
        "users": users.map { users in .array(users.map(Self.object)) } ?? .null, "next": .count(next),
        "last": .count(last), "at": .number(at),
      ]
    }

    private static func object(_ user: User) -> JSONValue {
      [
        "user_id": .string(user.userID), "reference_id": .text(user.referenceID), "resource": .string(user.resource),
        "active": .bool(user.isActive),
      ]
    }
  }

  /// What was answered about one connection: shown, or ended because the tenant asked for it.
  public struct Answer: Sendable, Hashable {
    /// The slug of the environment that asked.
    public var tenant: String
    /// The connection.
    public var userID: String
    /// Whether the tenant asked to end it.
    public var isEnding: Bool
    /// The status of the answer; nil for one that says nothing about the connection.
    public var status: Int?
    /// When, in seconds since 1970.
    public var at: Double

    var json: JSONValue {
      [
        "record": "answer", "tenant": .string(tenant), "user_id": .string(userID), "ending": .bool(isEnding),
        "status": .count(status), "at": .number(at),
      ]
    }
  }
}

extension LedgerRecord.Page.User {
  init(_ connection: TerraConnection) {
    self.init(
      userID: connection.userID, referenceID: connection.referenceID, resource: connection.resource,
      isActive: connection.isActive)
  }
}

extension Sandbox {
  /// Writes down what a call of the API was answered, where that is asked for.
  func note(_ record: LedgerRecord) async {
    if self.configuration.recordsAnswers { await self.ledger.append(record) }
  }
}

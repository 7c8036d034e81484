package import Foundation

/// One authenticated account of one person at one provider, as Terra keeps it.
package struct TerraConnection: Sendable, Hashable {
  let userID: String
  var referenceID: String?
  let resource: String
  var scopes: String
  var isActive: Bool
  var isAuthenticated: Bool
  let createdAt: Date
  var lastWebhookUpdate: Date?
  /// Names the person's account at the provider; the same account connected again has the same name.
  let account: String

  /// Describes a connection.
  package init(
    userID: String, referenceID: String?, resource: String, scopes: String, isActive: Bool, isAuthenticated: Bool,
    createdAt: Date, lastWebhookUpdate: Date? = nil, account: String
  ) {
    self.userID = userID
    self.referenceID = referenceID
    self.resource = resource
    self.scopes = scopes
    self.isActive = isActive
    self.isAuthenticated = isAuthenticated
    self.createdAt = createdAt
    self.lastWebhookUpdate = lastWebhookUpdate
    self.account = account
  }

  /// The scopes that a new connection has.
  static let defaultScopes = "ACTIVITY_EXPORT,HEALTH_EXPORT"

  /// Terra's user object.
  func object(_ generation: SandboxGeneration) -> JSONValue {
    typealias Member = JSONValue.Member
    var members = [
      Member("user_id", .string(self.userID)), Member("provider", .string(self.resource)),
      Member("last_webhook_update", .text(self.lastWebhookUpdate.map(Self.timestamp))),
      Member("scopes", .string(self.scopes)), Member("reference_id", .text(self.referenceID)),
      Member("active", .bool(self.isActive)),
    ]
    if generation == .legacy { members.append(Member("created_at", .string(Self.timestamp(self.createdAt)))) }
    return .object(members)
  }

  /// The user object of a failure: only who and what.
  var stub: JSONValue { ["user_id": .string(self.userID), "provider": .string(self.resource)] }

  /// A moment as Terra writes it: microseconds and an offset.
  static func timestamp(_ date: Date) -> String {
    let microseconds = Int64((date.timeIntervalSince1970 * 1_000_000).rounded())
    let (seconds, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    let digits = String(fraction)
    let text = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601).dropLast()
    return text + "." + String(repeating: "0", count: 6 - digits.count) + digits + "+00:00"
  }
}

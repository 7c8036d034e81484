public import Foundation

/// One attempt to connect, from the call of Terra's endpoint to the person's decision.
public struct Attempt: Sendable, Hashable {
  /// The attempt's id; only the ledger knows it.
  public let attemptID: String
  /// The environment's slug.
  public let tenant: String
  /// How the attempt was begun.
  public let kind: AttemptKind
  /// The app user.
  public let referenceID: String?
  /// The provider of a direct attempt; nil for a widget session.
  public let resource: String?
  /// The providers that a widget session offers; empty for all.
  public let providers: [String]
  /// Where the browser goes after a success; nil leaves it on Terra's page.
  public let successURL: String?
  /// Where the browser goes after a failure; nil leaves it on Terra's page.
  public let failureURL: String?
  /// The last segment of the login page's path.
  public let flow: String
  /// The `session_id` of a widget session; another one than `flow`.
  public let terraSessionID: String?
  /// The `user_id` that `authenticateUser` gave in advance.
  public let preissuedUserID: String?
  /// Whether the person may connect several providers in one session.
  public let isMultiAuth: Bool
  /// What goes wrong.
  public let plan: AttemptPlan
  /// When the login page stops working.
  public let expiresAt: Date
  /// The person's decision, once there is one.
  public internal(set) var decision: LedgerRecord.Outcome.Decision?
  /// The connections that came of the attempt.
  public internal(set) var userIDs: [String] = []

  /// What an endpoint is told about an attempt.
  struct Request: Sendable {
    var kind: AttemptKind
    var referenceID: String?
    var resource: String?
    var providers: [String] = []
    var successURL: String?
    var failureURL: String?
    var isMultiAuth = false
    var lifetime: Double
  }

  var record: LedgerRecord.Attempt {
    LedgerRecord.Attempt(
      attemptID: self.attemptID, tenant: self.tenant, kind: self.kind, referenceID: self.referenceID,
      resource: self.resource, fault: self.plan.name, terraSessionID: self.terraSessionID,
      preissuedUserID: self.preissuedUserID, successURL: self.successURL, failureURL: self.failureURL, at: 0)
  }
}

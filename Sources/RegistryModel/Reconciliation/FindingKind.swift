/// What a finding says: one way in which the two channels, the sessions and Terra's listing can disagree.
public enum FindingKind: String, Sendable, Hashable, CaseIterable, Codable {
  /// The browser came back as connected, and no signed success came within the grace.
  case callbackWithoutEvent = "callback_without_event"
  /// A signed success came, and the browser never came back.
  case eventWithoutCallback = "event_without_callback"
  /// A session ran out without a signed success and without a browser.
  case staleSession = "stale_session"
  /// A signed success came, and the browser came back as failed.
  case outcomeMismatch = "outcome_mismatch"
  /// The channels name different app users.
  case referenceMismatch = "reference_mismatch"
  /// The channels name different providers.
  case resourceMismatch = "resource_mismatch"
  /// A callback without a valid attempt token.
  case unknownAttempt = "unknown_attempt"
  /// A callback with a valid token and a `user_id` that is not its session's.
  case replayedAttempt = "replayed_attempt"
  /// A callback names a connection of another tenant; for operators only.
  case crossTenantClaim = "cross_tenant_claim"
  /// Events name one connection under two app users.
  case referenceConflict = "reference_conflict"
  /// One app user has several live connections of one provider.
  case duplicateActive = "duplicate_active"
  /// A re-authentication whose old connection belongs to another app user.
  case sharedAccount = "shared_account"
  /// A connection for which neither event nor session names an app user.
  case unattributed
  /// A re-authentication with an unknown old id, a cycle or a fork.
  case orphanReauth = "orphan_reauth"
  /// Terra lists a connection that the registry does not know.
  case missingLocally = "missing_locally"
  /// The registry has a live connection that Terra does not list.
  case missingAtProvider = "missing_at_provider"
  /// The registry and Terra know a connection in different states.
  case statusDrift = "status_drift"
  /// A signed success of a session came later than the grace.
  case lateEvent = "late_event"
  /// An authentic event lies past the horizon and was not accepted.
  case quarantinedEvent = "quarantined_event"
  /// A tenant's deliveries are rejected and none is accepted.
  case signatureFailing = "signature_failing"

  /// How much a finding of this kind matters.
  public var severity: FindingSeverity {
    switch self {
    case .eventWithoutCallback, .staleSession, .unattributed, .lateEvent: .info
    case .callbackWithoutEvent, .outcomeMismatch, .resourceMismatch, .duplicateActive, .sharedAccount, .orphanReauth,
      .missingLocally, .missingAtProvider, .statusDrift, .quarantinedEvent:
      .warning
    case .referenceMismatch, .unknownAttempt, .replayedAttempt, .crossTenantClaim, .referenceConflict,
      .signatureFailing:
      .critical
    }
  }

  /// Whether only operators may see findings of this kind.
  public var isForOperatorsOnly: Bool { self == .crossTenantClaim }
}

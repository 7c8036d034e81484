import RegistryModel

extension FindingKind {
  /// What a finding of this kind says, in one sentence for a person.
  func summary(reasonCode: String) -> String {
    switch self {
    case .callbackWithoutEvent: "The browser came back with a success, but no signed event confirms it."
    case .eventWithoutCallback: "A signed event says connected, but the browser never came back."
    case .staleSession: "The session ended without a sign from either channel."
    case .outcomeMismatch: "A signed event says connected, but the browser was sent to the failure URL."
    case .referenceMismatch:
      reasonCode == "event_names_another"
        ? "The signed event names another reference_id than the session."
        : "The redirect names another reference_id than the session."
    case .resourceMismatch:
      reasonCode == "event_names_another"
        ? "The signed event names another resource than the session."
        : "The redirect names another resource than the session or its event."
    case .unknownAttempt:
      reasonCode == "many_tokens_of_no_session"
        ? "Many more callbacks came in this hour whose tokens belong to no session: likely a flood of forgeries."
        : "A callback came whose token belongs to no session: likely forged."
    case .replayedAttempt:
      "A callback with this session's token claims a user_id that is not the session's: likely a stolen token."
    case .crossTenantClaim: "A callback claims a user_id that belongs to another tenant."
    case .referenceConflict: "Signed events name several reference_ids for one user_id."
    case .duplicateActive: "One app user has several live connections to one resource."
    case .sharedAccount: "A re-authentication replaced a connection of another app user: both use one provider account."
    case .unattributed: "The connection is live, but neither event nor session names a reference_id."
    case .orphanReauth:
      switch reasonCode {
      case "fork": "Several re-authentications replaced the same user_id."
      case "cycle": "Re-authentications replace each other in a circle."
      default: "A re-authentication replaced a user_id that the registry never saw connected."
      }
    case .missingLocally: "Terra lists a connection that the registry does not know as live."
    case .missingAtProvider: "The registry holds a connection as live that Terra does not list."
    case .statusDrift: "Terra and the registry disagree about the state of a connection."
    case .lateEvent: "The signed event was accepted only after the grace was over."
    case .quarantinedEvent: "An authentic event stands in quarantine: its signed time is too old, or in the future."
    case .signatureFailing: "Deliveries are rejected and none is accepted: the signing secret is likely wrong."
    }
  }
}

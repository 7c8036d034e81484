import RegistryModel

extension FindingKind {
  /// Where a finding of this kind is described, below the project's root.
  var documentation: String { "docs/findings.md#\(rawValue)" }

  /// What to do about a finding of this kind, in one sentence.
  ///
  /// - Parameter reasonCode: why, as the finding says.
  /// - Returns: the sentence.
  func suggestion(reasonCode: String) -> String {
    switch self {
    case .callbackWithoutEvent:
      "Look for the webhook at Terra and send it again; until an event comes, do not treat the person as connected."
    case .eventWithoutCallback: "Nothing is broken: show the connection when the person returns to the app."
    case .staleSession: "Nothing to do; where there are many of one resource, try its login yourself."
    case .outcomeMismatch:
      "Believe the event: tell the person that the connection exists, and look at the failure's reason."
    case .referenceMismatch:
      "Hold the connection back from both app users until you know who is right, and look for a shared or altered link."
    case .resourceMismatch:
      "Compare what your app asked for with what the person chose; the event's resource is the one stored."
    case .unknownAttempt:
      reasonCode == "many_tokens_of_no_session"
        ? "Limit the rate of the callback route at your edge, and look at where the requests come from."
        : "Ignore the claim; where it repeats, look at who calls the callback route."
    case .replayedAttempt:
      "Treat the redirect link as leaked: end the session's use and ask the person to connect again."
    case .crossTenantClaim: "Ask both teams whether one uses the other's user_ids; no data has crossed."
    case .referenceConflict: "Find out which app user owns the account, and deauthenticate or merge the other."
    case .duplicateActive: "Keep the id that delivers data, and deauthenticate the others."
    case .sharedAccount: "Ask whether two of your users share one provider account; keep it with one of them."
    case .unattributed:
      "Find the app user by the session or by the id, and pass a reference_id to every session from now on."
    case .orphanReauth:
      switch reasonCode {
      case "fork": "Keep the newest id that is live at Terra, and deauthenticate the others."
      case "cycle": "Ask Terra which of the ids is live; a correction ends the circle."
      default: "Import the connections from Terra once, so that the old id is known."
      }
    case .missingLocally: "Import the connection from Terra, or let a safe repair do it."
    case .missingAtProvider: "Ask Terra about the id; a safe repair ends it when two complete listings lack it."
    case .statusDrift: "Ask Terra about the id and decide: nothing is ended or taken over by itself."
    case .lateEvent: "Look at the delivery's attempts at Terra: the service or its database may have been away."
    case .quarantinedEvent: "Check the event's time; accept it with `registry event accept`, or let it be."
    case .signatureFailing:
      "Copy the signing secret from Terra's dashboard again (`registry tenant rotate-secret`); Terra repeats what was refused."
    }
  }

  /// The reason codes that a finding of this kind may have, in the order of the document.
  var reasonCodes: [String] {
    switch self {
    case .callbackWithoutEvent: ["no_auth_event"]
    case .eventWithoutCallback: ["no_redirect"]
    case .staleSession: ["nothing_came_back"]
    case .outcomeMismatch: ["success_event_but_failure_redirect"]
    case .referenceMismatch, .resourceMismatch: ["redirect_names_another", "event_names_another"]
    case .unknownAttempt: ["token_of_no_session", "many_tokens_of_no_session"]
    case .replayedAttempt: ["claimed_id_is_not_of_the_session"]
    case .crossTenantClaim: ["id_of_another_tenant"]
    case .referenceConflict: ["events_name_several"]
    case .duplicateActive: ["several_live_ids"]
    case .sharedAccount: ["reauth_of_another_app_user"]
    case .unattributed: ["nobody_named"]
    case .orphanReauth: ["old_id_unknown", "fork", "cycle"]
    case .missingLocally: ["unknown_here", "never_confirmed_here", "ended_here"]
    case .missingAtProvider: ["absent_in_two_listings"]
    case .statusDrift:
      [
        "listed_in_two_ways", "inactive_at_provider", "another_reference_id_at_provider",
        "another_resource_at_provider",
      ]
    case .lateEvent: ["accepted_after_grace"]
    case .quarantinedEvent: ["past_the_horizon", "in_the_future"]
    case .signatureFailing: ["all_rejected"]
    }
  }
}

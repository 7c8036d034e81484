/// What can go wrong, or merely happen, with one attempt to connect.
///
/// The faults fall into groups (``Group``). One attempt has at most one fault; where combinations are asked for, at
/// most one of each group.
public enum SandboxFault: String, Sendable, Hashable, CaseIterable, Codable {
  // MARK: The person

  /// The person refuses at the provider: a failure event and the failure redirect.
  case denial
  /// The person closes the page: nothing is ever heard of the attempt.
  case abandonment
  /// The person picks a provider that only a phone can connect: the success redirect with a null `user_id`.
  /// Widget attempts only.
  case mobileHandover = "mobile_handover"

  // MARK: The webhook of the successful authentication

  /// It is never sent.
  case webhookDropped = "webhook_dropped"
  /// It is sent twice with one trace id.
  case webhookDuplicated = "webhook_duplicated"
  /// It is sent twice with the same body and signature and a fresh trace id.
  case webhookDuplicatedNewTrace = "webhook_duplicated_new_trace"
  /// A later event of the same connection arrives first.
  case webhookReordered = "webhook_reordered"
  /// It arrives late, but within the grace.
  case webhookDelayedSeconds = "webhook_delayed_seconds"
  /// It arrives after the grace and before the horizon.
  case webhookDelayedHours = "webhook_delayed_hours"
  /// It arrives after the horizon.
  case webhookPastHorizon = "webhook_past_horizon"
  /// It is signed with a secret that the tenant does not know, and so are its retries.
  case webhookWrongSecret = "webhook_wrong_secret"

  // MARK: The redirect

  /// The browser never comes back.
  case redirectLost = "redirect_lost"
  /// The browser comes back more than once with the same query.
  case redirectReloaded = "redirect_reloaded"
  /// The browser comes back with another `reference_id`.
  case redirectAlteredReference = "redirect_altered_reference"
  /// The browser comes back with another `resource`.
  case redirectAlteredResource = "redirect_altered_resource"
  /// The browser comes back with another `user_id`, an invented one.
  case redirectAlteredUser = "redirect_altered_user"
  /// The browser comes back to the failure URL although the authentication succeeded.
  case redirectFailureAfterSuccess = "redirect_failure_after_success"

  // MARK: A forger, beside the honest redirect

  /// A callback with a token that was never issued and an invented `user_id`.
  case forgedToken = "forged_token"
  /// A callback with the attempt's own token and a `user_id` of another tenant.
  case forgedCrossTenant = "forged_cross_tenant"
  /// A callback with the attempt's own token and the `user_id` of another app user of the tenant.
  case stolenToken = "stolen_token"

  // MARK: What becomes of the connection

  /// The account was connected before; the `auth` of the new id arrives before the `user_reauth`.
  case reauthAuthFirst = "reauth_auth_first"
  /// The account was connected before; the `user_reauth` arrives before the `auth` of the new id.
  case reauthReauthFirst = "reauth_reauth_first"
  /// A `user_reauth` whose old id nobody has ever heard of.
  case reauthUnknownOld = "reauth_unknown_old"
  /// A `user_reauth` without an old id.
  case reauthNullOld = "reauth_null_old"
  /// The account was connected before, and the `user_reauth` that ends the earlier connection is never sent.
  case reauthLost = "reauth_lost"
  /// The account was connected before by another app user. Legacy generation: replaced; access: both are kept.
  case sharedAccount = "shared_account"
  /// A second `auth` event of the same id names another `reference_id`.
  case secondReference = "second_reference"
  /// The app user has a second live account at the same provider.
  case secondAccount = "second_account"
  /// Beside the attempt, a connection is made outside of any session and without a `reference_id`.
  case noReference = "no_reference"
  /// Some time later the person revokes the access at the provider.
  case providerRevocation = "provider_revocation"
  /// Some time later the connection is deauthenticated through Terra.
  case deauthentication
  /// Some time later the connection is deauthenticated through Terra, and the webhook is never sent.
  case deauthenticationLost = "deauthentication_lost"
  /// Some time later the provider rejects Terra's token.
  case connectionError = "connection_error"
  /// Some time later the person changes the permissions.
  case permissionChange = "permission_change"

  /// The part of the attempt that a fault touches.
  public enum Group: String, Sendable, Hashable, CaseIterable {
    /// The person's decision; excludes every other fault.
    case person
    /// The webhook of the successful authentication.
    case webhook
    /// The honest redirect.
    case redirect
    /// A forger beside the honest redirect.
    case forgery
    /// What becomes of the connection.
    case connection
  }

  /// The group of the fault.
  public var group: Group {
    switch self {
    case .denial, .abandonment, .mobileHandover: .person
    case .webhookDropped, .webhookDuplicated, .webhookDuplicatedNewTrace, .webhookReordered, .webhookDelayedSeconds,
      .webhookDelayedHours, .webhookPastHorizon, .webhookWrongSecret:
      .webhook
    case .redirectLost, .redirectReloaded, .redirectAlteredReference, .redirectAlteredResource, .redirectAlteredUser,
      .redirectFailureAfterSuccess:
      .redirect
    case .forgedToken, .forgedCrossTenant, .stolenToken: .forgery
    case .reauthAuthFirst, .reauthReauthFirst, .reauthUnknownOld, .reauthNullOld, .reauthLost, .sharedAccount,
      .secondReference, .secondAccount, .noReference, .providerRevocation, .deauthentication, .deauthenticationLost,
      .connectionError, .permissionChange:
      .connection
    }
  }
}

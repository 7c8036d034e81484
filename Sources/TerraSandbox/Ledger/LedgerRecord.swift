/// One thing that happened, as the sandbox knows it for certain.
///
/// Every record has a tenant where it belongs to one, and a moment in seconds since 1970. ``json`` is its line in the
/// exported ledger.
public enum LedgerRecord: Sendable, Hashable {
  /// An attempt began: one of Terra's endpoints was called.
  case attempt(Attempt)
  /// The registry answered with a session; written by whoever drives the traffic.
  case session(Session)
  /// The person decided.
  case outcome(Outcome)
  /// Terra emitted a webhook.
  case emission(Emission)
  /// One try to deliver a webhook.
  case delivery(Delivery)
  /// A browser arrived at the registry, or tried to.
  case callback(Callback)
  /// A connection began or ended at Terra.
  case connection(Connection)
  /// A page of the listing was answered.
  case page(Page)
  /// A question about one connection, or a request to end it, was answered.
  case answer(Answer)

  /// An attempt to connect.
  public struct Attempt: Sendable, Hashable {
    /// The attempt's id; only the ledger knows it.
    public var attemptID: String
    /// The environment's slug.
    public var tenant: String
    /// How the attempt was begun.
    public var kind: AttemptKind
    /// The app user, as the endpoint was told.
    public var referenceID: String?
    /// The provider; nil for a widget session, where the person picks it.
    public var resource: String?
    /// The faults' names joined by `+`; nil for none.
    public var fault: String?
    /// The `session_id` of a widget session.
    public var terraSessionID: String?
    /// The `user_id` that `authenticateUser` gave in advance.
    public var preissuedUserID: String?
    /// Where Terra sends the browser after a success.
    public var successURL: String?
    /// Where Terra sends the browser after a failure.
    public var failureURL: String?
    /// When, in seconds since 1970.
    public var at: Double
  }

  /// A session of the registry.
  public struct Session: Sendable, Hashable {
    /// The tenant's slug.
    public var tenant: String
    /// The registry's id of the session.
    public var sessionID: String
    /// SHA-256 of the attempt token, lower-case hexadecimal.
    public var attemptTokenSHA256: String
    /// When the session expires, in seconds since 1970.
    public var expiresAt: Double
    /// The app user; nil where the session names none.
    public var referenceID: String?
    /// The provider; nil for a widget session.
    public var resource: String?
    /// Whether several connections may come of it.
    public var isMultiAuth: Bool
    /// When, in seconds since 1970.
    public var at: Double

    /// Creates a record.
    ///
    /// - Parameters:
    ///   - tenant: the tenant's slug.
    ///   - sessionID: the registry's id of the session.
    ///   - attemptTokenSHA256: SHA-256 of the attempt token, lower-case hexadecimal.
    ///   - expiresAt: seconds since 1970.
    ///   - referenceID: the app user; nil where the session names none.
    ///   - resource: the provider; nil for a widget session.
    ///   - isMultiAuth: whether several connections may come of it.
    ///   - at: seconds since 1970.
    public init(
      tenant: String, sessionID: String, attemptTokenSHA256: String, expiresAt: Double, referenceID: String?,
      resource: String?, isMultiAuth: Bool, at: Double
    ) {
      self.tenant = tenant
      self.sessionID = sessionID
      self.attemptTokenSHA256 = attemptTokenSHA256
      self.expiresAt = expiresAt
      self.referenceID = referenceID
      self.resource = resource
      self.isMultiAuth = isMultiAuth
      self.at = at
    }
  }

  /// What the person decided.
  public struct Outcome: Sendable, Hashable {
    /// The decision.
    public enum Decision: String, Sendable, Hashable {
      /// Access was granted.
      case approved
      /// Access was refused.
      case denied
      /// A provider was picked that only a phone can connect.
      case handedOver = "handed_over"
      /// The page was closed.
      case abandoned
    }

    /// The attempt.
    public var attemptID: String
    /// The environment's slug.
    public var tenant: String
    /// The decision.
    public var outcome: Decision
    /// The connection that came of it.
    public var userID: String?
    /// When, in seconds since 1970.
    public var at: Double
  }

  /// A webhook that Terra emitted.
  public struct Emission: Sendable, Hashable {
    /// The emission's id; only the ledger knows it.
    public var emissionID: String
    /// The attempt that it belongs to, if any.
    public var attemptID: String?
    /// `X-Terra-Trace-Id`.
    public var traceID: String
    /// The environment's slug.
    public var tenant: String
    /// The event's `type`.
    public var type: String
    /// What the event says: `auth_success`, `auth_failure`, `user_reauth`, `deauthentication`, `access_revoked`,
    /// `connection_error`, `permission_change` or `data`.
    public var eventKind: String
    /// The `user_id` of `user` or `new_user`.
    public var userID: String?
    /// The `user_id` of `old_user`.
    public var oldUserID: String?
    /// The `reference_id` of `user` or `new_user`, or the one at the top level.
    public var referenceID: String?
    /// The `reference_id` of `old_user`.
    public var oldReferenceID: String?
    /// The provider.
    public var resource: String?
    /// The event's `widget_session_id`.
    public var widgetSessionID: String?
    /// `t` of the signature, in seconds since 1970.
    public var signedAt: Int64
    /// The event's instant: the ordering timestamp, else the end of the second `t`. In seconds since 1970.
    public var instant: Double
    /// Whether the secret is the tenant's.
    public var hasRightSecret: Bool
    /// The event's `status`.
    public var statusOfEvent: String?
    /// SHA-256 of the body, lower-case hexadecimal.
    public var bodySHA256: String
    /// Whether it is never sent.
    public var isDropped: Bool
    /// The emission that this one repeats: same body and signature, maybe another trace id.
    public var duplicateOf: String?
    /// When, in seconds since 1970.
    public var at: Double
  }

  /// One try to deliver a webhook.
  public struct Delivery: Sendable, Hashable {
    /// The emission.
    public var emissionID: String
    /// The tenant's slug.
    public var tenant: String
    /// The number of the try, from 1.
    public var number: Int
    /// When the answer was there, in seconds since 1970.
    public var at: Double
    /// The status of the answer; nil where the connection was refused, broke or timed out.
    public var status: Int?
    /// How long the answer took, in seconds.
    public var latencySeconds: Double
    /// `t` of this try's signature.
    public var signedAt: Int64
  }

  /// One arrival of a browser at the registry.
  public struct Callback: Sendable, Hashable {
    /// The attempt that the browser belongs to.
    public var attemptID: String?
    /// The tenant's slug.
    public var tenant: String
    /// SHA-256 of the attempt token in the path, lower-case hexadecimal.
    public var tokenSHA256: String
    /// Whether the success URL was visited, else the failure URL.
    public var isSuccess: Bool
    /// The `user_id` in the query; nil where it is absent, empty or `null`.
    public var claimedUserID: String?
    /// The `reference_id` in the query; nil where it is absent, empty or `null`.
    public var claimedReferenceID: String?
    /// The `resource` in the query; nil where it is absent, empty or `null`.
    public var claimedResource: String?
    /// When the answer was there, in seconds since 1970.
    public var at: Double
    /// The status of the answer; nil where the registry could not be reached.
    public var status: Int?
    /// The fault that made this arrival what it is.
    public var fault: String?
  }

  /// A connection that began or ended at Terra.
  public struct Connection: Sendable, Hashable {
    /// The tenant's slug.
    public var tenant: String
    /// The connection.
    public var userID: String
    /// Whether it lives from now on.
    public var isLive: Bool
    /// The app user.
    public var referenceID: String?
    /// The provider.
    public var resource: String
    /// When, in seconds since 1970.
    public var at: Double
  }
}

/// What follows from an act at Terra: lines of the ledger, webhooks, later acts, and where the browser goes.
struct WorldChange: Sendable {
  var records: [LedgerRecord] = []
  var orders: [EmissionOrder] = []
  var followUps: [FollowUp] = []
  var redirect: Redirect?

  /// A webhook to emit.
  struct EmissionOrder: Sendable {
    /// A second sending of the same body and signature.
    struct Copy: Sendable {
      var hasFreshTraceID: Bool
      var holdBack: Double
    }

    var tenant: String
    var event: WebhookEvent
    var attemptID: String?
    var holdBack = 0.0
    var isDropped = false
    var hasWrongSecret = false
    var copies: [Copy] = []
    /// Told when the first try is over, or when there will be none.
    var announces: StartupSignal<Void>?
    /// The webhook whose first try this one waits for, before it waits for its own time.
    var follows: StartupSignal<Void>?
  }

  /// Something that happens to a connection some time later.
  struct FollowUp: Sendable {
    enum Act: Sendable {
      case revoke
      case deauthenticate
      /// The webhook is never sent.
      case deauthenticateUnheard
      case connectionError
      case permissionChange
      case secondReference(String)
    }

    var tenant: String
    var userID: String
    var act: Act
    var delay: Double
    var attemptID: String?
  }
}

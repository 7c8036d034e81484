public import Foundation
import TerraSandbox

/// A webhook as Terra sends it: the body in the form of one of Terra's generations, and the headers that sign it.
///
/// ```swift
/// let webhook = SignedWebhook(.authenticated(.init(userID: "u1", referenceID: "person-1")), secret: "acme-secret")
/// let answer = try await registry.webhooks.receive(tenant: "acme", headers: webhook.headers, body: webhook.body)
/// ```
///
/// The bodies are those of Terra's own examples; the signature is that of Terra's documentation, HMAC-SHA256 over the
/// time, a dot and the raw body.
public struct SignedWebhook: Sendable, Hashable {
  /// Whom a webhook is about.
  public struct Account: Sendable, Hashable {
    /// Terra's id of the connection.
    public var userID: String
    /// The app user's id at the team; nil for nobody.
    public var referenceID: String?
    /// The provider as Terra spells it.
    public var resource: String
    /// What the person granted, separated by commas.
    public var scopes: String

    /// Describes an account.
    ///
    /// - Parameters:
    ///   - userID: Terra's id of the connection.
    ///   - referenceID: the app user's id at the team; nil for nobody.
    ///   - resource: the provider as Terra spells it.
    ///   - scopes: what the person granted, separated by commas.
    public init(
      userID: String, referenceID: String? = nil, resource: String = "GARMIN",
      scopes: String = "ACTIVITY_EXPORT,HEALTH_EXPORT"
    ) {
      self.userID = userID
      self.referenceID = referenceID
      self.resource = resource
      self.scopes = scopes
    }
  }

  /// What a webhook says.
  public enum Event: Sendable, Hashable {
    /// `auth` of status `success`.
    case authenticated(Account, widgetSessionID: String? = nil)
    /// `auth` of status `error` in the legacy generation, where it names the account; `auth_cancelled`, which names the
    /// app user only, in the other.
    case failed(Account, reason: String, widgetSessionID: String? = nil)
    /// `user_reauth`: the old id is gone, the new one holds.
    case reauthenticated(from: Account, to: Account)
    /// `deauth`.
    case deauthenticated(Account)
    /// `access_revoked`.
    case accessRevoked(Account)
    /// `connection_error`.
    case connectionError(Account)
    /// `permission_change`.
    case permissionChange(Account, added: String, removed: String)
    /// A webhook with health data, such as `daily`.
    case data(Account)
  }

  /// The bytes that are signed and sent.
  public var body: [UInt8]
  /// When it was signed, in seconds since 1970.
  public var signedAt: Int64
  /// The signing secret.
  public var secret: String
  /// Which of Terra's generations sends it.
  public var generation: SandboxGeneration
  /// Terra's `X-Terra-Trace-Id`, equal for all deliveries of one event; it is not signed.
  public var traceID: String

  /// Makes a webhook about a connection.
  ///
  /// - Parameters:
  ///   - event: what it says.
  ///   - generation: which of Terra's generations sends it.
  ///   - secret: the signing secret.
  ///   - date: when it is signed; whole seconds count.
  public init(
    _ event: Event, generation: SandboxGeneration = .access, secret: String, at date: Date = Date()
  ) {
    self.init(body: event.webhookEvent.body(generation).bytes, generation: generation, secret: secret, at: date)
  }

  /// Signs any bytes, for tests of what nobody should send.
  ///
  /// - Parameters:
  ///   - body: the bytes.
  ///   - generation: which of Terra's generations sends them.
  ///   - secret: the signing secret.
  ///   - date: when they are signed; whole seconds count.
  public init(
    body: some Sequence<UInt8>, generation: SandboxGeneration = .access, secret: String, at date: Date = Date()
  ) {
    self.body = Array(body)
    self.signedAt = Int64(date.timeIntervalSince1970.rounded(.down))
    self.secret = secret
    self.generation = generation
    self.traceID = UUID().uuidString.lowercased()
  }

  /// The signature, `t=<seconds>,v1=<hexadecimal>`.
  public var signature: String { WebhookSigner.header(body: body, secret: secret, timestamp: signedAt) }

  /// The headers with which Terra sends it.
  public var headers: [(name: String, value: String)] {
    let signed =
      generation == .legacy
      ? [(name: "terra-signature", value: signature)]
      : [(name: "X-Terra-Signature", value: signature), (name: "Terra-Signature", value: signature)]
    return [(name: "content-type", value: "application/json"), (name: "X-Terra-Trace-Id", value: traceID)] + signed
  }
}

extension SignedWebhook.Account {
  fileprivate var connection: TerraConnection {
    TerraConnection(
      userID: userID, referenceID: referenceID, resource: resource, scopes: scopes, isActive: true,
      isAuthenticated: true, createdAt: Date(timeIntervalSince1970: 1_767_225_600), account: userID)
  }
}

extension SignedWebhook.Event {
  fileprivate var webhookEvent: WebhookEvent {
    switch self {
    case .authenticated(let account, let session):
      return WebhookEvent(kind: .authSuccess, connection: account.connection, widgetSessionID: session)
    case .failed(let account, let reason, let session):
      return WebhookEvent(
        kind: .authFailure, connection: account.connection, referenceID: account.referenceID, widgetSessionID: session,
        reason: reason, flowID: UUID().uuidString.lowercased())
    case .reauthenticated(let old, let new):
      return WebhookEvent(kind: .userReauth, connection: new.connection, oldConnection: old.connection)
    case .deauthenticated(let account):
      return WebhookEvent(kind: .deauthentication, connection: account.connection)
    case .accessRevoked(let account):
      return WebhookEvent(kind: .accessRevoked, connection: account.connection)
    case .connectionError(let account):
      return WebhookEvent(kind: .connectionError, connection: account.connection)
    case .permissionChange(let account, let added, let removed):
      return WebhookEvent(
        kind: .permissionChange, connection: account.connection, scopesAdded: added, scopesRemoved: removed)
    case .data(let account):
      return WebhookEvent(kind: .data, connection: account.connection)
    }
  }
}

public import Foundation

/// One verified, deduplicated webhook about an authentication.
public struct AuthEvent: Sendable, Hashable, Codable {
  /// The event's id.
  public var eventID: UUID
  /// When it was recorded.
  public var recordedAt: Date
  /// The signed time `t`, to the second.
  public var signedAt: Date
  /// The instant that orders it.
  public var occurredAt: Date
  /// `webhook`, or `trusted:` and a channel's name.
  public var channel: String
  /// What it means: `auth_success`, `auth_failure`, `user_reauth`, `deauthentication`, `access_revoked`,
  /// `connection_error`, `permission_change`.
  public var kind: String
  /// Terra's type.
  public var type: String
  /// Terra's status.
  public var status: String?
  /// The connection it names; of a re-authentication the new one.
  public var userID: String?
  /// The connection that a re-authentication replaced.
  public var oldUserID: String?
  /// The app user it names.
  public var referenceID: String?
  /// The app user whom the replaced connection belonged to.
  public var oldReferenceID: String?
  /// The provider.
  public var resource: String?
  /// The widget session it names.
  public var widgetSessionID: String?
  /// Why it failed, in Terra's words.
  public var reason: String?
  /// Terra's trace id of the delivery, which is not signed.
  public var traceID: String?
}

/// An event with its body as it was signed.
public struct AuthEventDetail: Sendable, Codable {
  /// The event.
  public var event: AuthEvent
  /// The body as it came.
  public var body: String
}

/// One raw delivery that did not become an event.
public struct WebhookReceipt: Sendable, Hashable, Codable {
  /// Why a delivery did not become an event.
  public enum Disposition: String, Sendable, Hashable, CaseIterable, Codable {
    /// The signature does not hold.
    case rejected
    /// Authentic, but signed too long ago or in the future.
    case quarantined
    /// Authentic, but of a shape that cannot be read.
    case unreadable
    /// Authentic and about an authentication, but of a type that is not known.
    case unknownType = "unknown_type"
  }

  /// The receipt's id; a quarantined event keeps it when it is accepted.
  public var receiptID: UUID
  /// When it was recorded.
  public var recordedAt: Date
  /// Why it did not become an event.
  public var disposition: Disposition
  /// The reason, as a stable code.
  public var reasonCode: String
  /// The signed time; nil where nothing was signed.
  public var signedAt: Date?
  /// The instant that would order it.
  public var occurredAt: Date?
  /// Terra's type, where it could be read.
  public var type: String?
  /// The connection it names, where it could be read.
  public var userID: String?
  /// Terra's trace id of the delivery.
  public var traceID: String?
  /// The size of the body as it came, in bytes.
  public var bodyBytes: Int64
}

/// A receipt with its body.
public struct WebhookReceiptDetail: Sendable, Codable {
  /// The receipt.
  public var receipt: WebhookReceipt
  /// What was kept of the body.
  public var body: String
}

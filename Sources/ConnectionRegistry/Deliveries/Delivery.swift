public import Foundation

/// One notification to one endpoint.
public struct Delivery: Sendable, Hashable, Codable {
  /// What became of a delivery so far.
  public enum State: String, Sendable, Hashable, Codable, CaseIterable {
    /// It has not been taken yet.
    case pending
    /// The endpoint answered with a status of the two hundreds.
    case delivered
    /// It was given up after three days.
    case failed
  }

  /// Its id, the `webhook-id` of every attempt.
  public var deliveryID: UUID
  /// Where it goes.
  public var endpointID: UUID
  /// `connection.` and the state after the change, a ``FindingTransitionType``, `endpoint.disabled` or `ping`.
  public var type: String
  /// The connection that changed.
  public var userID: String?
  /// The finding that it tells of.
  public var findingID: UUID?
  /// The number of the change within its connection, or of the transition within its finding.
  public var sequence: Int64?
  /// What became of it.
  public var state: State
  /// How many attempts there were since it was last made due.
  public var attempts: Int
  /// When it was written, for a change that is in the moment of the change.
  public var createdAt: Date
  /// When the last attempt was made.
  public var lastAttemptAt: Date?
  /// When the next attempt is due, while it is pending.
  public var nextAttemptAt: Date?
  /// The status of the last answer.
  public var lastStatus: Int?
  /// Why the last attempt failed: `status`, `gone`, `timed_out`, `unreachable`, `tls`, `not_http`, `connection_lost`,
  /// `host_unresolved`, `address_refused`, `invalid_url`.
  public var lastError: String?
  /// When it was delivered or given up.
  public var settledAt: Date?
}

/// A delivery with the body that is sent.
public struct DeliveryDetail: Sendable, Hashable, Codable {
  /// The delivery.
  public var delivery: Delivery
  /// The body, byte for byte, as it was made at the time of the change.
  public var body: String
}

/// Which deliveries are wanted.
public struct DeliveryFilter: Sendable, Hashable {
  /// To this endpoint.
  public var endpointID: UUID?
  /// In this state.
  public var state: Delivery.State?
  /// About this connection.
  public var userID: String?
  /// Made in this span.
  public var created: TimeRange

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - endpointID: to this endpoint.
  ///   - state: in this state.
  ///   - userID: about this connection.
  ///   - created: made in this span.
  public init(
    endpointID: UUID? = nil, state: Delivery.State? = nil, userID: String? = nil, created: TimeRange = TimeRange()
  ) {
    self.created = created
    self.endpointID = endpointID
    self.state = state
    self.userID = userID
  }
}

/// Which changes an endpoint is to get again, or for the first time. What is nil does not limit.
public struct DeliveryReplay: Sendable, Hashable {
  /// Recorded at this time or later.
  public var since: Date?
  /// Recorded before this time.
  public var until: Date?
  /// Of this connection.
  public var userID: String?
  /// From this number on; needs a connection.
  public var fromSequence: Int64?
  /// Up to this number; needs a connection.
  public var toSequence: Int64?

  /// Names a range.
  ///
  /// - Parameters:
  ///   - since: recorded at this time or later.
  ///   - until: recorded before this time.
  ///   - userID: of this connection.
  ///   - fromSequence: from this number on.
  ///   - toSequence: up to this number.
  public init(
    since: Date? = nil, until: Date? = nil, userID: String? = nil, fromSequence: Int64? = nil, toSequence: Int64? = nil
  ) {
    self.since = since
    self.until = until
    self.userID = userID
    self.fromSequence = fromSequence
    self.toSequence = toSequence
  }
}

/// What a replay did.
public struct DeliveryReplayed: Sendable, Hashable, Codable {
  /// How many changes go out.
  public var changes: Int
}

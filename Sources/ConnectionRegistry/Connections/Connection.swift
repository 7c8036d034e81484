public import Foundation
public import RegistryModel

/// One authenticated account of one app user at one resource.
public struct Connection: Sendable, Hashable, Codable {
  /// Terra's id of the connection.
  public var userID: String
  /// The provider; nil while no fact names it.
  public var resource: String?
  /// The app user's id at the team; nil while neither event nor session names it.
  public var referenceID: String?
  /// The view of all facts so far.
  public var status: ConnectionStatus
  /// What the person granted, as Terra writes it.
  public var scopes: String?
  /// The id that replaced this one.
  public var supersededBy: String?
  /// When data last came, to the minute.
  public var lastDataAt: Date?
  /// When the first fact was recorded.
  public var createdAt: Date
  /// When the last fact was recorded that changed the row.
  public var recordedAt: Date
  /// Whether the person must connect again before data comes: the connection is degraded or revoked. One that was
  /// deauthenticated or superseded ended on purpose.
  public var needsReauth = false
  /// How to let the person connect again, where that is needed.
  public var reconnect: Reconnect?
  /// What the team notes about it.
  public var tags: [String: String] = [:]

  /// With what a session is to be opened that connects again.
  public struct Reconnect: Sendable, Hashable, Codable {
    /// How to begin the session.
    public var kind: AuthSession.Kind
    /// What to send as `replaces`.
    public var replaces: String

    init?(userID: String, resource: String?, status: ConnectionStatus) {
      guard status == .degraded || status == .revoked else { return nil }
      let resource = resource.flatMap { try? Resource($0) }
      kind = resource.map { $0.isMobileOnly ? .mobile : .direct } ?? .widget
      replaces = userID
    }
  }
}

/// One transition of one connection, with its cause.
public struct ConnectionChange: Sendable, Hashable, Codable {
  /// The connection's id at Terra.
  public var userID: String
  /// The number of the change within its connection, from 1, without gaps.
  public var sequence: Int64
  /// The status before; nil for the first.
  public var fromStatus: ConnectionStatus?
  /// The status after.
  public var toStatus: ConnectionStatus
  /// `event`, `correction`, `session` or `data`.
  public var causeType: String
  /// The id of the cause.
  public var causeID: String
  /// When it was recorded.
  public var recordedAt: Date
}

/// Which connections are wanted.
public struct ConnectionFilter: Sendable, Hashable {
  /// Of this app user.
  public var referenceID: String?
  /// At this resource.
  public var resource: String?
  /// In one of these states; nil leaves out `pending` and `failed`, which never were connected.
  public var statuses: Set<ConnectionStatus>?
  /// Whose first fact was recorded in this span.
  public var created: TimeRange
  /// Whose row last changed in this span.
  public var updated: TimeRange
  /// With this tag.
  public var tag: Tag?
  /// Whose data last came before this moment, or never.
  public var staleSince: Date?

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - referenceID: of this app user.
  ///   - resource: at this resource.
  ///   - statuses: in one of these states; nil leaves out `pending` and `failed`.
  ///   - created: whose first fact was recorded in this span.
  ///   - updated: whose row last changed in this span.
  ///   - tag: with this tag.
  ///   - staleSince: whose data last came before this moment, or never.
  public init(
    referenceID: String? = nil, resource: String? = nil, statuses: Set<ConnectionStatus>? = nil,
    created: TimeRange = TimeRange(), updated: TimeRange = TimeRange(), tag: Tag? = nil, staleSince: Date? = nil
  ) {
    self.created = created
    self.updated = updated
    self.tag = tag
    self.staleSince = staleSince
    self.referenceID = referenceID
    self.resource = resource
    self.statuses = statuses
  }

  /// The filter as texts, for what cursors hold for.
  var texts: [String?] {
    [referenceID, resource?.uppercased(), statusTexts.joined(separator: ","), tag?.key, tag?.value]
      + created.texts + updated.texts + [staleSince.map(RFC3339.text)]
  }

  var statusTexts: [String] {
    (statuses ?? Set(ConnectionStatus.allCases).subtracting([.pending, .failed])).map(\.rawValue).sorted()
  }
}

/// A connection with everything that was said of it.
public struct ConnectionDetail: Sendable, Codable {
  /// The connection.
  public var connection: Connection
  /// Its transitions, newest first.
  public var changes: [ConnectionChange]
  /// The events that name it, newest first.
  public var events: [AuthEvent]
  /// The sessions about it.
  public var sessions: [AuthSession]
  /// What the registry itself observed of it, newest first.
  public var corrections: [Correction]
}

/// A fact that the registry itself observed: an answer of Terra's API, or an operator's act.
public struct Correction: Sendable, Hashable, Codable {
  /// The correction's id.
  public var correctionID: UUID
  /// When it was recorded.
  public var recordedAt: Date
  /// The moment for which it holds.
  public var occurredAt: Date
  /// The connection's id at Terra.
  public var userID: String
  /// Whether the connection is alive or gone.
  public var verdict: CorrectionVerdict
  /// Who observed it.
  public var source: String
  /// Why.
  public var reason: String
}

/// One of the team's end users.
public struct AppUser: Sendable, Hashable, Codable {
  /// The app user's id at the team.
  public var referenceID: String
  /// When it was first named.
  public var createdAt: Date
  /// The app user that this one was merged into, who has its connections and sessions.
  public var mergedInto: String?
  /// What the team notes about it.
  public var tags: [String: String]
}

/// One app user and all its connections.
public struct AppUserDetail: Sendable, Codable {
  /// The app user's id at the team.
  public var referenceID: String
  /// When it was first named.
  public var createdAt: Date
  /// The app user that this one was merged into, who has its connections and sessions.
  public var mergedInto: String?
  /// What the team notes about it.
  public var tags: [String: String]
  /// All its connections, in every state.
  public var connections: [Connection]
  /// Its last sessions, oldest first.
  public var sessions: [AuthSession]

  /// The app user itself.
  public var appUser: AppUser {
    AppUser(referenceID: referenceID, createdAt: createdAt, mergedInto: mergedInto, tags: tags)
  }
}

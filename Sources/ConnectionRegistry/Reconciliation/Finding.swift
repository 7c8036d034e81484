public import Foundation
public import RegistryModel

/// One disagreement about one subject, with its evidence.
public struct Finding: Sendable, Hashable, Codable {
  /// What a finding is about.
  public struct Subject: Sendable, Hashable, Codable {
    /// `session`, `user_id`, `attempt`, `callback`, `event` or `tenant`.
    public var type: String
    /// The subject's id; of an attempt the SHA-256 of its token.
    public var id: String
  }

  /// Something that shows it.
  public struct Evidence: Sendable, Hashable, Codable {
    /// `session`, `event`, `callback`, `receipt`, `user_id`, `listing` or `tenant`.
    public var type: String
    /// Its id, with which one command shows it.
    public var id: String
    /// When it was recorded; of a listing, and of a connection beside one, the moment before Terra was first asked for it.
    public var at: Date
  }

  /// The finding's id, the same whenever the same disagreement is found again.
  public var id: UUID
  /// The tenant's slug.
  public var tenant: String
  /// What kind of disagreement it is.
  public var kind: FindingKind
  /// How bad it is.
  public var severity: FindingSeverity
  /// Why, as a stable code.
  public var reasonCode: String
  /// What it is about.
  public var subject: Subject
  /// Whether it is open.
  public var status: FindingStatus
  /// Whether only operators see it.
  public var forOperators: Bool
  /// When it was first found.
  public var firstSeenAt: Date
  /// Since when it stands: later than ``firstSeenAt`` where it has come back.
  public var openedAt: Date
  /// When it was last found.
  public var lastSeenAt: Date
  /// How old it is, in seconds.
  public var ageSeconds: Double
  /// How old it is, roughly.
  public var age: FindingAge
  /// By when somebody should have dealt with it, by its severity's target.
  public var dueAt: Date
  /// Whether it stood, or stands, longer than its severity's target.
  public var isOverdue: Bool
  /// How often it opened.
  public var timesOpened: Int
  /// How often it came back after it had vanished or was repaired.
  public var reopened: Int
  /// When it vanished or was repaired.
  public var resolvedAt: Date?
  /// Who has taken it on; nil where nobody has, or the time is over.
  public var acknowledgement: FindingAcknowledgement?
  /// What the last repair did about it; nil where none has tried.
  public var repair: FindingRepair?
  /// One sentence for a person.
  public var summary: String
  /// What to do about it, in one sentence.
  public var suggestion: String
  /// Where its kind is described, below the project's root.
  public var documentation: String
  /// What shows it.
  public var evidence: [Evidence]
}

/// Which findings are wanted.
public struct FindingFilter: Sendable, Hashable {
  /// Of this kind.
  public var kind: FindingKind?
  /// Of this severity or worse.
  public var severity: FindingSeverity?
  /// In one of these states; nil is open and acknowledged.
  public var statuses: Set<FindingStatus>?
  /// First seen in this span.
  public var firstSeen: TimeRange

  /// Creates a filter.
  ///
  /// - Parameters:
  ///   - kind: of this kind.
  ///   - severity: of this severity or worse.
  ///   - statuses: in one of these states; nil is open and acknowledged.
  ///   - firstSeen: first seen in this span.
  public init(
    kind: FindingKind? = nil, severity: FindingSeverity? = nil, statuses: Set<FindingStatus>? = nil,
    firstSeen: TimeRange = TimeRange()
  ) {
    self.firstSeen = firstSeen
    self.kind = kind
    self.severity = severity
    self.statuses = statuses
  }

  /// The filter as texts, for what cursors hold for.
  var texts: [String?] { [kind?.rawValue, severity?.rawValue, statusTexts.joined(separator: ",")] + firstSeen.texts }

  var severityTexts: [String] {
    FindingSeverity.allCases.filter { $0 >= severity ?? .info }.map(\.rawValue).sorted()
  }

  var statusTexts: [String] {
    (statuses ?? [.open, .acknowledged]).map(\.rawValue).sorted()
  }
}

/// A finding with its evidence spelt out.
public struct FindingDetail: Sendable, Codable {
  /// The finding.
  public var finding: Finding
  /// The sessions among its evidence.
  public var sessions: [AuthSession]
  /// The events among its evidence.
  public var events: [AuthEvent]
  /// The callbacks among its evidence.
  public var callbacks: [RedirectCallback]
  /// The receipts among its evidence.
  public var receipts: [WebhookReceipt]
  /// The connections among its evidence, and the one it is about.
  public var connections: [Connection]
  /// What the listings among its evidence said of the connection it is about.
  public var listings: [ListedConnection]
}

import Foundation
import RegistryModel
import RegistryPostgres

/// A finding that an answer of Terra's may settle, and what is known of the connection to ask about.
struct RepairCase: Sendable, Hashable {
  /// The kinds of findings that an answer of Terra's may settle.
  static let kinds = FindingKind.allCases.filter { family(of: $0) != nil }

  /// By which family of subjects findings of a kind are judged, where an answer of Terra's may settle them.
  static func family(of kind: FindingKind) -> SubjectFamily? {
    switch kind {
    case .missingLocally, .missingAtProvider, .statusDrift: .listing
    case .callbackWithoutEvent, .staleSession: .session
    default: nil
    }
  }

  /// Where a finding stands among those that are repaired, oldest first.
  struct Place: Sendable, Hashable, Comparable {
    var firstSeenAt: Date
    var findingID: UUID

    static func < (one: Place, other: Place) -> Bool {
      (one.firstSeenAt, one.findingID.text) < (other.firstSeenAt, other.findingID.text)
    }
  }

  var findingID: UUID
  var kind: FindingKind
  var reasonCode: String
  var firstSeenAt: Date
  /// The connection to ask about: the finding's own, the session's pre-issued one, or the only one that its callbacks
  /// claimed.
  var userID: String?
  /// What the session was opened for.
  var referenceID: String?
  var resource: String?
  /// Of the connection as it is now; nil where there is none.
  var status: ConnectionStatus?
  var recordedAt: Date?
  /// When the finding's session was opened.
  var sessionBeganAt: Date?
  /// How many different ids its success callbacks claim.
  var claims = 0

  /// Whether no id of the session is known or claimed, so that Terra can be asked about its app user only.
  var isAskedByReference: Bool { userID == nil && claims == 0 && referenceID != nil && sessionBeganAt != nil }
  var place: Place { Place(firstSeenAt: firstSeenAt, findingID: findingID) }
  var isLive: Bool { status == .active || status == .degraded }
}

extension RepairCase {
  init(row: PostgresRow) throws {
    guard let kind = FindingKind(rawValue: try row.decode("kind")) else {
      throw RegistryError(.schemaNewer, "a finding is of a kind that this version does not know")
    }
    self.init(
      findingID: try row.decode("finding_id"), kind: kind, reasonCode: try row.decode("reason_code"),
      firstSeenAt: try row.decode("first_seen_at"), userID: try row.decodeIfPresent("user_id"),
      referenceID: try row.decodeIfPresent("reference_id"), resource: try row.decodeIfPresent("resource"),
      status: try row.decodeIfPresent("status", as: String.self).map(ConnectionStatus.init(column:)),
      recordedAt: try row.decodeIfPresent("recorded_at"), sessionBeganAt: try row.decodeIfPresent("session_at"),
      claims: try row.decodeIfPresent("claims") ?? 0)
  }
}

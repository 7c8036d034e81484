import ConnectionRegistry
import Foundation
import RegistryModel

/// One line of what a run would do: a finding's transition, or what a repair would do about one.
struct RehearsedAct: Encodable, Sendable {
  static let columns = [
    Column("act"), Column("finding_id", header: "finding"), Column("kind"), Column("severity", .severity),
    Column("subject.type", header: "subject"), Column("subject.id", header: "subject id"), Column("reason"),
  ]

  /// `opened`, `reopened` or `resolved`, or what a repair does: `confirmed`, `ended` or `left`.
  var act: String
  var findingID: UUID
  var kind: FindingKind
  var severity: FindingSeverity
  var subject: Finding.Subject?
  var userID: String?
  var reason: String

  /// The lines of a rehearsal, findings before repairs.
  static func all(of rehearsal: Rehearsal) -> [RehearsedAct] {
    rehearsal.findings.map {
      RehearsedAct(
        act: String($0.type.rawValue.dropFirst("finding.".count)), findingID: $0.findingID, kind: $0.kind,
        severity: $0.severity, subject: $0.subject, userID: nil, reason: $0.summary)
    }
      + rehearsal.repairs.map {
        RehearsedAct(
          act: $0.act.rawValue, findingID: $0.findingID, kind: $0.kind, severity: $0.kind.severity, subject: nil,
          userID: $0.userID, reason: $0.reason)
      }
  }
}

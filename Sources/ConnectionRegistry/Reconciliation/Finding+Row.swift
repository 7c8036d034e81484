import Foundation
import RegistryModel
import RegistryPostgres

extension Finding {
  init(row: PostgresRow, tenant: String) throws {
    guard let kind = FindingKind(rawValue: try row.decode("kind")),
      let severity = FindingSeverity(rawValue: try row.decode("severity")),
      let status = FindingStatus(rawValue: try row.decode("status"))
    else { throw RegistryError(.schemaNewer, "a finding is of a kind that this version does not know") }
    let reasonCode = try row.decode("reason_code", as: String.self)
    let firstSeenAt = try row.decode("first_seen_at", as: Date.self)
    let openedAt = try row.decode("opened_at", as: Date.self)
    let ended = try row.decodeIfPresent("resolved_at", as: Date.self)
    let at = try row.decode("at", as: Date.self)
    let evidence = try RegistryJSON.decoder().decode(
      [Evidence].self, from: Data(try row.decode("evidence", as: String.self).utf8))
    let timesOpened = try row.decode("times_opened", as: Int.self)
    let age = (ended ?? at).timeIntervalSince(firstSeenAt)
    self.init(
      id: try row.decode("finding_id"), tenant: tenant, kind: kind, severity: severity, reasonCode: reasonCode,
      subject: Subject(type: try row.decode("subject_type"), id: try row.decode("subject")), status: status,
      forOperators: try row.decode("for_operators"), firstSeenAt: firstSeenAt, openedAt: openedAt,
      lastSeenAt: try row.decode("last_seen_at"), ageSeconds: age, age: FindingAge(seconds: age),
      dueAt: openedAt.addingTimeInterval(severity.target),
      isOverdue: (ended ?? at).timeIntervalSince(openedAt) > severity.target, timesOpened: timesOpened,
      reopened: timesOpened - 1, resolvedAt: ended, acknowledgement: try Self.acknowledgement(row, status),
      repair: try Self.repair(row),
      summary: kind.summary(reasonCode: reasonCode), suggestion: kind.suggestion(reasonCode: reasonCode),
      documentation: kind.documentation, evidence: evidence)
  }

  private static func repair(_ row: PostgresRow) throws -> FindingRepair? {
    guard let text = try row.decodeIfPresent("repair_act", as: String.self) else { return nil }
    guard let act = FindingRepair.Act(rawValue: text) else {
      throw RegistryError(.schemaNewer, "a finding was repaired in a way that this version does not know")
    }
    return FindingRepair(
      act: act, reason: try row.decode("repair_reason"), at: try row.decode("repair_at"),
      correctionID: try row.decodeIfPresent("repair_correction"))
  }

  private static func acknowledgement(_ row: PostgresRow, _ status: FindingStatus) throws -> FindingAcknowledgement? {
    guard status == .acknowledged, let by = try row.decodeIfPresent("acknowledged_by", as: String.self) else {
      return nil
    }
    return FindingAcknowledgement(
      by: by, reason: try row.decode("acknowledged_reason"), until: try row.decodeIfPresent("acknowledged_until"),
      at: try row.decode("acknowledged_at"))
  }
}

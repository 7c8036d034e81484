@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// What becomes of a finding: open, acknowledged, vanished, and back again.
@Suite(.migratedDatabase) struct FindingLifeTests {
  /// A live connection that nobody is named for is a finding until somebody is.
  private static func unattributed(_ stage: Stage, _ user: String = "u1") async throws -> Finding {
    try await stage.expect(Payload.auth(user, reference: nil), .accepted)
    try await stage.letPass(seconds: 5_000)
    _ = try await stage.reconcile()
    return try #require(try await stage.finding(.unattributed))
  }

  private static func log(_ stage: Stage) async throws -> [String] {
    try await stage.texts(
      """
      SELECT concat_ws(' ', sequence, coalesce(from_status, '-'), to_status, made_by, reason)
      FROM registry.finding_change ORDER BY finding_id, sequence
      """)
  }

  @Test func anAcknowledgedFindingStandsUntilItsTimeIsOver() async throws {
    try await withStage { stage in
      let found = try await Self.unattributed(stage)
      #expect(found.status == .open && found.acknowledgement == nil)
      #expect(found.documentation == "docs/findings.md#unattributed")
      let until = Date().addingTimeInterval(3_600)
      let acknowledged = try await stage.registry.findings.acknowledge(
        tenant: "acme", id: found.id, by: "ann", reason: "known, ticket 7", until: until)
      #expect(acknowledged.status == .acknowledged)
      #expect(acknowledged.acknowledgement?.by == "ann" && acknowledged.acknowledgement?.reason == "known, ticket 7")
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.foundNew == 0 && run.persisting == 1)
      let standing = try #require(try await stage.finding(.unattributed))
      #expect(standing.status == .acknowledged && standing.id == found.id)
      try await stage.letPass(seconds: 3_601)
      // Open again before a run says so, and after it.
      let over = try #require(try await stage.finding(.unattributed))
      #expect(over.status == .open && over.acknowledgement == nil)
      let open = try await stage.registry.findings.list(tenant: "acme", filter: FindingFilter(statuses: [.open])).items
      #expect(open.map(\.id) == [found.id])
      _ = try await stage.reconcile()
      let log = try await Self.log(stage)
      #expect(
        log == ["1 - open", "2 open acknowledged ann known, ticket 7", "3 acknowledged open acknowledgement_ended"])
    }
  }

  @Test func theSameWordsChangeNothingAndOthersTakeTheirPlace() async throws {
    try await withStage { stage in
      let id = try await Self.unattributed(stage).id
      let findings = stage.registry.findings
      let first = try await findings.acknowledge(tenant: "acme", id: id, by: "ann", reason: "known")
      let again = try await findings.acknowledge(tenant: "acme", id: id, by: "ann", reason: "known")
      #expect(again.acknowledgement == first.acknowledgement)
      let other = try await findings.acknowledge(tenant: "acme", id: id, by: "bob", reason: "mine now")
      #expect(other.acknowledgement?.by == "bob")
      let log = try await Self.log(stage)
      #expect(log == ["1 - open", "2 open acknowledged ann known", "3 acknowledged acknowledged bob mine now"])
    }
  }

  @Test func aFindingThatComesBackSaysHowOftenAndIsNobodysYet() async throws {
    try await withStage { stage in
      let first = try await Self.unattributed(stage)
      _ = try await stage.registry.findings.acknowledge(tenant: "acme", id: first.id, by: "ann", reason: "known")
      try await stage.expect(Payload.deauth("u1"), .accepted)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
      await expectError(.findingResolved) {
        _ = try await stage.registry.findings.acknowledge(tenant: "acme", id: first.id, by: "ann", reason: "known")
      }
      try await stage.owner.execute(
        "UPDATE registry.connection SET deauthenticated_key = NULL, changed_at = now() WHERE user_id = 'u1'")
      let found = try await stage.reconcile()
      #expect(found == ["unattributed u1"])
      let back = try #require(try await stage.finding(.unattributed))
      #expect(back.id == first.id && back.status == .open && back.reopened == 1 && back.timesOpened == 2)
      #expect(back.acknowledgement == nil && back.openedAt > back.firstSeenAt)
      let log = try await Self.log(stage)
      #expect(
        log.map { $0.split(separator: " ").prefix(3).joined(separator: " ") } == [
          "1 - open", "2 open acknowledged", "3 acknowledged vanished", "4 vanished open",
        ])
    }
  }

  @Test func oneForOperatorsIsAcknowledgedByOperatorsOnly() async throws {
    try await withStage(StageSettings(slugs: ["acme", "other"])) { stage in
      try await stage.expect(Payload.auth("theirs"), .accepted, tenant: "other")
      let opened = try await stage.open("FITBIT")
      try await stage.visit(opened.token, "user_id=theirs")
      _ = try await stage.reconcile()
      let claim = try #require(try await stage.finding(.crossTenantClaim))
      await expectError(.notFound) {
        _ = try await stage.registry.findings.acknowledge(tenant: "acme", id: claim.id, by: "ann", reason: "known")
      }
      let shown = try await stage.registry.findings.acknowledge(
        tenant: "acme", id: claim.id, by: "ann", reason: "known", includingOperators: true)
      #expect(shown.status == .acknowledged)
    }
  }

  @Test func wordsThatCannotBeTakenAreRefusedByName() async throws {
    try await withStage(StageSettings(slugs: ["acme", "other"])) { stage in
      let id = try await Self.unattributed(stage).id
      let findings = stage.registry.findings
      for (by, reason, until, field) in [
        ("", "known", nil, "by"), ("ann", "", nil, "reason"), ("ann\n", "known", nil, "by"),
        ("ann", String(repeating: "x", count: 1_025), nil, "reason"), ("ann", "known", Date(), "until"),
      ] as [(String, String, Date?, String)] {
        let error = await expectError(.invalidRequest) {
          _ = try await findings.acknowledge(tenant: "acme", id: id, by: by, reason: reason, until: until)
        }
        #expect(error?.field == field)
      }
      await expectError(.notFound) {
        _ = try await findings.acknowledge(tenant: "other", id: id, by: "ann", reason: "known")
      }
    }
  }

  @Test func ageAndTargetAreCountedFromTheLastOpening() {
    #expect(FindingAge.allCases.map(\.upperBound) == FindingAge.allCases.map(\.upperBound).sorted())
    #expect(FindingAge(seconds: -5) == .underHour && FindingAge(seconds: 3_599.9) == .underHour)
    #expect(FindingAge(seconds: 3_600) == .underDay && FindingAge(seconds: 7 * 86_400) == .underMonth)
    #expect(FindingAge(seconds: .greatestFiniteMagnitude) == .older)
    #expect(FindingSeverity.critical.target < FindingSeverity.warning.target)
  }
}

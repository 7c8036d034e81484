@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
@testable import TerraSandbox
import TestDatabase
import Testing

/// What a repair says on its finding, and how its effect is taken back.
@Suite(.migratedDatabase) struct UndoTests {
  @Test func aRepairThatTerraStillConfirmsIsNotUndone() async throws {
    try await withStage { stage in
      let made = try await stage.endedByRepair()
      #expect(made.finding.kind == .missingAtProvider && made.finding.repair?.act == .ended)
      let audit = try await stage.texts(
        """
        SELECT concat_ws(' ', actor, detail ->> 'act', detail ->> 'correction', detail ->> 'reason' = $2)
        FROM registry.audit_entry WHERE action = 'finding.repair' AND subject = $1
        """, [.text(made.finding.id.text), .text(made.finding.repair?.reason ?? "")])
      #expect(audit == ["reconcile ended \(made.finding.repair?.correctionID?.text ?? "none") t"])
      #expect(made.finding.repair?.correctionID != nil && made.finding.repair?.reason.contains("Terra") == true)
      let refused = await expectError(.repairNotUndoable) { _ = try await stage.undo(made.finding.id) }
      #expect(refused?.message.contains("still does not know") == true)
      #expect(try await stage.live() == [made.other])
      #expect(try await stage.count("correction WHERE source = 'undo'") == 0)
    }
  }

  @Test func anEndThatTerraDeniesIsTakenBack() async throws {
    try await withStage { stage in
      let made = try await stage.endedByRepair()
      // Terra, asked about this id, now knows it: the id of a connection that lives there takes its place everywhere.
      let known = try await stage.sandbox.connectOutsideSession(
        tenant: stage.slug, referenceID: "person-9", resource: "GARMIN", account: "account-9")
      try await stage.rename(made.ended, to: known)
      let open = try await stage.undo(made.finding.id)
      #expect(open.status == .open && open.repair?.act == .undone && open.timesOpened == made.finding.timesOpened + 1)
      #expect(open.repair?.reason.contains("ann: a person looked") == true && open.resolvedAt == nil)
      #expect(try await stage.live() == [made.other, known])
      let changes = try await stage.registry.connections.show(tenant: stage.slug, known).changes
      #expect(changes.last?.toStatus == .active && changes.last?.causeType == "correction")
      let log = try await stage.texts(
        "SELECT to_status FROM registry.finding_change WHERE finding_id = $1 ORDER BY sequence",
        [.uuid(made.finding.id)])
      #expect(log == ["open", "repaired", "open"])
      let audit = try await stage.texts(
        "SELECT concat_ws(' ', actor, action, subject) FROM registry.audit_entry WHERE action = 'finding.undo'")
      #expect(audit == ["ann finding.undo \(made.finding.id.text)"])
      // Once more there is nothing to undo, and the next run finds that the facts agree.
      await expectError(.repairNotUndoable) { _ = try await stage.undo(made.finding.id) }
      try await stage.run()
      #expect(try await stage.registry.findings.show(tenant: stage.slug, made.finding.id).finding.status == .vanished)
      #expect(try await stage.live() == [made.other, known])
    }
  }

  @Test func anEndThatALaterEventHasSignedStays() async throws {
    try await withStage { stage in
      let made = try await stage.endedByRepair()
      let known = try await stage.sandbox.connectOutsideSession(
        tenant: stage.slug, referenceID: "person-9", resource: "GARMIN", account: "account-9")
      try await stage.rename(made.ended, to: known)
      try await stage.expect(Delivery(Payload.deauth(known), at: 60), .accepted)
      let refused = await expectError(.repairNotUndoable) { _ = try await stage.undo(made.finding.id) }
      #expect(refused?.message.contains("later event") == true)
      #expect(try await stage.live() == [made.other])
    }
  }

  @Test func whatARepairConfirmedEndsWhereTerraForgetsIt() async throws {
    try await withStage { stage in
      let ids = try await stage.connectAndImport(2)
      let finding = try await stage.repaired(of: ids[0])
      #expect(finding.repair?.act == .confirmed)
      let refused = await expectError(.repairNotUndoable) { _ = try await stage.undo(finding.id) }
      #expect(refused?.message.contains("deauthenticate") == true)
      try await stage.sandbox.deauthenticate(tenant: stage.slug, userID: ids[0])
      await stage.sandbox.waitUntilIdle()
      let open = try await stage.undo(finding.id)
      #expect(open.status == .open)
      #expect(try await stage.live() == [ids[1]])
    }
  }

  @Test func whatARepairLeftOpenIsToldOnTheFinding() async throws {
    try await withStage { stage in
      let session = try await stage.open("FITBIT")
      try await stage.visit(session.token, "user_id=\(try #require(session.session.userID))")
      try await stage.letPass(seconds: 700)
      let run = try await stage.registry.reconciliations.run(tenant: stage.slug, repair: .safe)
      #expect(run.repaired == 0 && run.remarks.count == 1, "\(run)")
      let left = try #require(try await stage.finding(.callbackWithoutEvent))
      #expect(left.status == .open && left.repair?.act == .left && left.repair?.correctionID == nil)
      #expect(run.remarks[0].hasSuffix(left.repair?.reason ?? "?"))
      let report = try await stage.registry.reconciliations.report(tenant: stage.slug)
      #expect(report.left.map(\.reason) == [left.repair?.reason ?? ""] && report.left.first?.count == 1)
      await expectError(.repairNotUndoable) { _ = try await stage.undo(left.id) }
      await expectError(.notFound) { _ = try await stage.undo(UUID()) }
      let error = await expectError(.invalidRequest) {
        _ = try await stage.registry.reconciliations.undoRepair(
          tenant: stage.slug, finding: left.id, by: "ann", reason: "")
      }
      #expect(error?.field == "reason")
    }
  }

  @Test func aRepairIsUndoneOnlyByWhatIsLater() {
    func key(_ seconds: Int64, _ rank: FactRank, _ id: String = UUID().uuidString) -> OrderKey {
      OrderKey(instant: Instant(microseconds: seconds * 1_000_000), rank: rank, factID: id)
    }
    let id = UUID()
    func decision(
      _ verdict: CorrectionVerdict, _ status: FindingStatus = .repaired, latest: OrderKey? = nil,
      life: OrderKey? = nil, end: OrderKey? = nil
    ) -> UndoDecision {
      UndoDecision(
        made: .init(
          findingStatus: status, correctionID: id, userID: "u", verdict: verdict,
          latest: latest ?? key(100, .correction, id.text), life: life, end: end, recordedAt: Date()))
    }
    #expect(decision(.gone).refusal == nil && decision(.alive).refusal == nil)
    #expect(decision(.gone, life: key(50, .auth), end: key(60, .revoked)).refusal == nil)
    // A sign of life after an end is what an undo is for; after a confirmation it shows that this was right.
    #expect(decision(.gone, life: key(200, .data)).refusal == nil)
    #expect(decision(.alive, life: key(200, .data)).refusal != nil)
    for verdict in [CorrectionVerdict.gone, .alive] {
      #expect(decision(verdict, end: key(200, .revoked)).refusal != nil)
      #expect(decision(verdict, latest: key(100, .correction)).refusal != nil)
      for status in FindingStatus.allCases where status != .repaired {
        #expect(decision(verdict, status).refusal != nil)
      }
    }
  }
}

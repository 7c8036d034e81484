@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// One finding repaired by itself, with the proofs of a run.
@Suite(.migratedDatabase) struct OneRepairTests {
  /// Three of many connections that Terra has ended without a word, and the findings about them.
  private static func absent(_ stage: Stage, _ count: Int = 3) async throws -> [Finding] {
    let ids = try await stage.connectAndImport(count + 2)
    for id in ids.prefix(count) { try await stage.sandbox.deauthenticate(tenant: stage.slug, userID: id) }
    await stage.sandbox.waitUntilIdle()
    try await stage.listTwice()
    try await stage.run()
    let found = try await stage.openFindings()
    #expect(found.count == count && found.allSatisfy { $0.kind == .missingAtProvider }, "\(found)")
    return found
  }

  @Test func onlyTheOneIsEnded() async throws {
    try await withStage { stage in
      let found = try await Self.absent(stage)
      let live = try await stage.live()
      let before = try await stage.everything()
      let planned = try await stage.repair(found[1], isDryRun: true)
      #expect(planned.act == .ended && planned.correctionID == nil, "\(planned)")
      #expect(try await stage.everything() == before, "a dry run writes nothing")
      let done = try await stage.repair(found[1])
      #expect(done.act == .ended && done.reason == planned.reason && done.userID == found[1].subject.id, "\(done)")
      #expect(try await stage.live() == live.subtracting([found[1].subject.id]))
      let repaired = try await stage.repaired(of: found[1].subject.id)
      #expect(repaired.repair?.act == .ended && repaired.repair?.correctionID == done.correctionID)
      #expect(try await stage.openFindings().map(\.id) == [found[0].id, found[2].id])
      let told = try await stage.texts(
        "SELECT concat_ws(' ', actor, action, detail ->> 'act', detail ->> 'run') FROM registry.audit_entry WHERE actor = 'ann'"
      )
      #expect(told == ["ann finding.repair ended"])
      let changes = try await stage.texts(
        "SELECT to_status FROM registry.finding_change WHERE finding_id = $1 ORDER BY sequence", [.uuid(found[1].id)])
      #expect(changes == ["open", "repaired"])
      await expectError(.findingResolved) { _ = try await stage.repair(found[1]) }
      // The next run finds nothing new in it.
      let run = try await stage.registry.reconciliations.run(tenant: stage.slug)
      #expect(run.foundNew == 0 && run.repaired == 0, "\(run)")
    }
  }

  @Test func whatSomebodyHasAcknowledgedMayBeRepaired() async throws {
    try await withStage { stage in
      let finding = try await Self.absent(stage)[0]
      _ = try await stage.registry.findings.acknowledge(
        tenant: stage.slug, id: finding.id, by: "bob", reason: "I look at it")
      // A run leaves it to whoever has taken it on.
      #expect(try await stage.registry.reconciliations.run(tenant: stage.slug, repair: .safe).repaired == 2)
      #expect(try await stage.repair(finding).act == .ended)
    }
  }

  @Test func whatHasChangedSinceItWasFoundIsLeft() async throws {
    try await withStage { stage in
      let found = try await Self.absent(stage)
      try await stage.expect(Payload.data(found[0].subject.id), .data)
      let live = try await stage.live()
      let left = try await stage.repair(found[0])
      #expect(left.act == .left && left.reason.contains("facts agree by now"), "\(left)")
      // Between the comparison and the write, too: while the question about the one waits for its turn.
      let late = try await stage.repair(found[1]) {
        try await stage.expect(Payload.data(found[1].subject.id), .data)
      }
      #expect(late.act == .left && late.reason.contains("meanwhile"), "\(late)")
      #expect(try await stage.live() == live)
      #expect(try await stage.count("correction WHERE verdict = 'gone'") == 0)
    }
  }

  /// Terra was asked, and before its answer is written a run resolves the finding: nothing is committed that nobody is told of.
  @Test func aFindingThatIsResolvedBeforeItsEndingIsWrittenEndsNothing() async throws {
    try await withStage { stage in
      let finding = try await Self.absent(stage)[0]
      let live = try await stage.live()
      await expectError(.findingResolved) {
        _ = try await stage.repair(finding) {
          try await stage.owner.execute(
            "UPDATE registry.finding SET status = 'vanished', resolved_at = now() WHERE finding_id = $1",
            [.uuid(finding.id)])
        }
      }
      #expect(try await stage.live() == live)
      #expect(try await stage.count("correction WHERE verdict = 'gone'") == 0)
      #expect(try await stage.count("audit_entry WHERE action = 'finding.repair' AND detail ->> 'act' = 'ended'") == 0)
    }
  }

  /// Terra has one user whom nobody has told of, and may fail at questions about them.
  private static func withUnknown(
    _ body: @escaping @Sendable (Stage, Finding, NIOLockedValueBox<Bool>) async throws -> Void
  ) async throws {
    try await withStage(StageSettings(grace: .milliseconds(1))) { stage in
      let isFailing = NIOLockedValueBox(false)
      var terra = GeneratedTerra(users: 1)
      terra.fails = { isFailing.withLockedValue { $0 } }
      try await stage.asking(terra) {
        _ = try await stage.provide(repair: .none)
        let found = try await stage.openFindings()
        try #require(found.count == 1 && found[0].kind == .missingLocally, "\(found)")
        try await body(stage, found[0], isFailing)
      }
    }
  }

  @Test func whatARunHasRepairedMeanwhileIsNoNews() async throws {
    try await Self.withUnknown { stage, finding, isFailing in
      // The question is asked again, because Terra has failed; meanwhile a run has had its answer.
      isFailing.withLockedValue { $0 = true }
      await expectError(.findingResolved) {
        _ = try await stage.repair(finding) {
          isFailing.withLockedValue { $0 = false }
          let run = try await stage.registry.reconciliations.run(tenant: "acme", repair: .safe)
          #expect(run.repaired == 1, "\(run)")
        }
      }
      let live = try await stage.live()
      #expect(live == [finding.subject.id])
      #expect(try await stage.count("audit_entry WHERE action = 'finding.repair'") == 1)
    }
  }

  @Test func whatTheListingDoesNotProveIsLeft() async throws {
    try await withStage { stage in
      let found = try await Self.absent(stage, 11)
      let left = try await stage.repair(found[0])
      #expect(left.act == .left && left.reason.contains("more than the 10"), "\(left)")
      let shown = try await stage.registry.findings.show(tenant: stage.slug, found[0].id).finding
      #expect(shown.status == .open && shown.repair?.act == .left && shown.repair?.reason == left.reason)
      #expect(try await stage.count("correction WHERE verdict = 'gone'") == 0)
    }
  }

  @Test func aKeyOfAnotherEnvironmentProvesNothing() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      let found = try await Self.absent(stage)
      try await stage.update(tenant: "globex") { $0.devID = "moved" }
      try await stage.update { $0.devID = "elsewhere" }
      try await stage.update(tenant: "globex") {
        $0.devID = "acme-dev-id"
        $0.apiKey = "acme-api-key"
      }
      let left = try await stage.repair(found[0])
      #expect(left.act == .left && left.reason.contains("another environment"), "\(left)")
      #expect(try await stage.count("correction WHERE verdict = 'gone'") == 0)
    }
  }

  @Test func aTerraThatIsAwayIsSaid() async throws {
    try await Self.withUnknown { stage, finding, isFailing in
      isFailing.withLockedValue { $0 = true }
      await expectError(.terraUnavailable) { _ = try await stage.repair(finding) }
      let before = try await stage.live()
      isFailing.withLockedValue { $0 = false }
      let done = try await stage.repair(finding)
      #expect(before.isEmpty && done.act == .confirmed, "\(done)")
      isFailing.withLockedValue { $0 = true }
      await expectError(.terraUnavailable) {
        _ = try await stage.impatient.undoRepair(tenant: "acme", finding: finding.id, by: "ann", reason: "x")
      }
      #expect(try await stage.live() == [finding.subject.id])
    }
  }

  @Test func whereTheRegistryOnlyRecordsNothingIsRepaired() async throws {
    try await withStage { stage in
      let found = try await Self.absent(stage, 1)
      var change = TenantChange()
      change.shadow = true
      _ = try await stage.registry.tenants.update(stage.slug, change)
      await expectError(.shadowMode) { _ = try await stage.repair(found[0]) }
      await expectError(.shadowMode) { _ = try await stage.repair(found[0], isDryRun: true) }
    }
  }
}

extension Stage {
  /// Repairs a finding; where the question about it must wait, something may happen meanwhile.
  fileprivate func repair(
    _ finding: Finding, isDryRun: Bool = false, meanwhile: (@Sendable () async throws -> Void)? = nil
  ) async throws -> Repair {
    var mine = impatient
    if let meanwhile {
      let isOver = NIOLockedValueBox(false)
      // All but the first question wait.
      mine.questionsPerSecond = 0.01
      mine.pause = { _ in
        let wasOver = isOver.withLockedValue { isOver in
          defer { isOver = true }
          return isOver
        }
        if !wasOver { try await meanwhile() }
      }
    }
    return try await mine.repair(tenant: slug, finding: finding.id, by: "ann", isDryRun: isDryRun)
  }
}

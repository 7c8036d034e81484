@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// What an undo must not do, and what happens to it and to a repair between the question to Terra and the write.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct UndoGuardTests {
  /// A connection that a repair ended, and that Terra now knows again.
  private static func undoable(_ stage: Stage) async throws -> (known: String, other: String, finding: UUID) {
    let made = try await stage.endedByRepair()
    let known = try await stage.sandbox.connectOutsideSession(
      tenant: stage.slug, referenceID: "person-9", resource: "GARMIN", account: "account-9")
    try await stage.rename(made.ended, to: known)
    return (known, made.other, made.finding.id)
  }

  /// What an undo leaves in the tables.
  private static func written(_ stage: Stage) async throws -> [Int] {
    [
      try await stage.count("correction WHERE source = 'undo'"),
      try await stage.count("audit_entry WHERE action = 'finding.undo'"),
    ]
  }

  private static func refused(
    _ runs: Reconciliations, _ stage: Stage, _ finding: UUID, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let error = await expectError(.repairNotUndoable, sourceLocation: sourceLocation) {
      _ = try await runs.undoRepair(tenant: stage.slug, finding: finding, by: "ann", reason: "a person looked")
    }
    #expect(error?.message.contains("meanwhile") == true, "\(error.debugDescription)", sourceLocation: sourceLocation)
    #expect(try await written(stage) == [0, 0], sourceLocation: sourceLocation)
  }

  @Test func anEventBetweenQuestionAndWriteStopsTheUndo() async throws {
    try await withStage { stage in
      let made = try await Self.undoable(stage)
      let executor = stage.interfering(at: "correction_insert_undoing") {
        try await stage.expect(Delivery(Payload.deauth(made.known), at: 60), .accepted)
      }
      try await Self.refused(stage.reconciliations(through: executor), stage, made.finding)
      #expect(try await stage.live() == [made.other])
    }
  }

  @Test func aFindingThatIsNotRepairedAnyMoreBetweenQuestionAndWriteStopsTheUndo() async throws {
    try await withStage { stage in
      let made = try await Self.undoable(stage)
      let executor = stage.interfering(at: "correction_insert_undoing") {
        try await stage.owner.execute(
          "UPDATE registry.finding SET status = 'vanished' WHERE finding_id = $1", [.uuid(made.finding)])
      }
      try await Self.refused(stage.reconciliations(through: executor), stage, made.finding)
      #expect(try await stage.live() == [made.other])
    }
  }

  @Test func ofTwoUndosAtOnceOneWrites() async throws {
    try await withStage { stage in
      let made = try await Self.undoable(stage)
      let meeting = Meeting(of: 2)
      let runs = stage.reconciliations(
        through: stage.interfering(at: "correction_insert_undoing") { await meeting.come() })
      @Sendable func undo(_ by: String) async -> Result<Finding, any Error> {
        do {
          return .success(
            try await runs.undoRepair(tenant: stage.slug, finding: made.finding, by: by, reason: "a person looked"))
        } catch {
          return .failure(error)
        }
      }
      async let one = undo("ann")
      async let other = undo("ben")
      let results = await [one, other]
      #expect(results.compactMap { try? $0.get() }.map(\.status) == [.open], "\(results)")
      let refusals = results.compactMap { result -> RegistryError? in
        guard case .failure(let error) = result else { return nil }
        return error as? RegistryError
      }
      #expect(refusals.map(\.code) == [.repairNotUndoable], "\(results)")
      #expect(try await Self.written(stage) == [1, 1])
      #expect(try await stage.live() == [made.other, made.known])
    }
  }

  @Test func anUndoWhoseAnswerWasLostIsDoneAllTheSame() async throws {
    try await withStage { stage in
      let made = try await Self.undoable(stage)
      let executor = stage.interfering(at: "correction_insert_undoing", losing: 1)
      let open = try await stage.reconciliations(through: executor).undoRepair(
        tenant: stage.slug, finding: made.finding, by: "ann", reason: "a person looked")
      #expect(!executor.isWaiting && open.status == .open && open.repair?.act == .undone && open.timesOpened == 2)
      #expect(try await Self.written(stage) == [1, 1])
      let log = try await stage.texts(
        "SELECT to_status FROM registry.finding_change WHERE finding_id = $1 ORDER BY sequence", [.uuid(made.finding)])
      #expect(log == ["open", "repaired", "open"])
      #expect(try await stage.live() == [made.other, made.known])
    }
  }

  @Test func anUndoThatWouldEndAsksWithTheRightKeyOnly() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      let ids = try await stage.connectAndImport(2)
      let finding = try await stage.repaired(of: ids[0])
      // From here on the tenant's credentials open the other environment, which knows none of these ids.
      try await stage.update(tenant: "globex") { $0.devID = "moved" }
      try await stage.update { $0.devID = "elsewhere" }
      try await stage.update(tenant: "globex") {
        $0.devID = "acme-dev-id"
        $0.apiKey = "acme-api-key"
      }
      let refused = await expectError(.repairNotUndoable) { _ = try await stage.undo(finding.id) }
      #expect(refused?.message.contains("another environment") == true, "\(refused.debugDescription)")
      #expect(try await Self.written(stage) == [0, 0])
      #expect(try await stage.live() == Set(ids))
    }
  }

  @Test func nothingIsUndoneInShadowMode() async throws {
    try await withStage { stage in
      let made = try await Self.undoable(stage)
      var change = TenantChange()
      change.shadow = true
      _ = try await stage.registry.tenants.update(stage.slug, change)
      let asked = await stage.sandbox.calls(tenant: stage.slug).count
      await expectError(.shadowMode) { _ = try await stage.undo(made.finding) }
      #expect(await stage.sandbox.calls(tenant: stage.slug).count == asked)
      #expect(try await Self.written(stage) == [0, 0])
      #expect(try await stage.live() == [made.other])
    }
  }

  /// Terra lists a connection that the registry does not know.
  private static func missing(_ stage: Stage) async throws -> String {
    let lost = try await stage.sandbox.connectOutsideSession(
      tenant: stage.slug, referenceID: "person-1", resource: "GARMIN")
    try await stage.pass()
    try await stage.letPassWithListings(seconds: 700)
    return lost
  }

  @Test func aRepairWhoseAnswerWasLostIsNotCalledLeftOpen() async throws {
    try await withStage { stage in
      let lost = try await Self.missing(stage)
      let executor = stage.interfering(at: "finding_repaired", losing: 1)
      let run = try await stage.reconciliations(through: executor).run(tenant: stage.slug, repair: .safe)
      #expect(!executor.isWaiting && run.repaired == 1 && run.remarks.isEmpty, "\(run)")
      #expect(try await stage.repaired(of: lost).repair?.act == .confirmed)
      #expect(try await stage.count("correction") == 1)
      #expect(try await stage.count("audit_entry WHERE action = 'finding.repair'") == 1)
    }
  }

  @Test func aRepairThatIsLeftOpenNamesTheCorrectionThatItWrote() async throws {
    try await withStage { stage in
      let lost = try await Self.missing(stage)
      let executor = stage.interfering(at: "finding_repaired") {
        try await stage.expect(Delivery(Payload.deauth(lost), at: 60), .accepted)
      }
      let run = try await stage.reconciliations(through: executor).run(tenant: stage.slug, repair: .safe)
      #expect(run.repaired == 0 && run.remarks.first?.contains("has ended") == true, "\(run)")
      let left = try #require(try await stage.finding(.missingLocally))
      let corrections = try await stage.texts("SELECT correction_id::text FROM registry.correction")
      #expect(left.repair?.act == .left && corrections == [left.repair?.correctionID?.text ?? "none"])
      #expect(try await stage.count("audit_entry") == 0, "nothing was repaired")
      #expect(try await stage.live().isEmpty)
    }
  }
}

/// Lets nobody go on before everybody has come.
private final class Meeting: Sendable {
  private let state: NIOLockedValueBox<(missing: Int, waiting: [CheckedContinuation<Void, Never>])>

  init(of count: Int) { state = NIOLockedValueBox((count, [])) }

  func come() async {
    await withCheckedContinuation { continuation in
      let released = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
        state.missing -= 1
        state.waiting.append(continuation)
        guard state.missing <= 0 else { return [] }
        defer { state.waiting = [] }
        return state.waiting
      }
      for continuation in released { continuation.resume() }
    }
  }
}

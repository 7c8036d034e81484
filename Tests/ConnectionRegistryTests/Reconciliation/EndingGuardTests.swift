@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// What happens to a run that would end a connection between Terra's answer and the write.
@Suite(.migratedDatabase) struct EndingGuardTests {
  /// What an ending leaves in the tables.
  private static func written(_ stage: Stage) async throws -> [Int] {
    [
      try await stage.count("correction WHERE verdict = 'gone'"),
      try await stage.count("audit_entry WHERE action = 'finding.repair' AND detail ->> 'act' = 'ended'"),
    ]
  }

  @Test func dataBetweenQuestionAndWriteStopsTheEnding() async throws {
    try await withStage { stage in
      let (absent, other) = try await stage.absentAtTerra()
      let executor = stage.interfering(at: "correction_insert_if_live") {
        try await stage.expect(Delivery(Payload.data(absent)), .data)
      }
      let run = try await stage.reconciliations(through: executor).run(tenant: stage.slug, repair: .safe)
      #expect(run.repaired == 0 && run.remarks.first?.contains("recorded about it meanwhile") == true, "\(run)")
      #expect(try await stage.live() == [absent, other])
      #expect(try await Self.written(stage) == [0, 0])
      // The data is later than both listings, which therefore say nothing any more.
      try await stage.run()
      #expect(try await stage.openFindings().isEmpty)
    }
  }

  @Test func aTenantDisabledBetweenQuestionAndWriteStopsTheEnding() async throws {
    try await withStage { stage in
      let (absent, other) = try await stage.absentAtTerra()
      let executor = stage.interfering(at: "correction_insert_if_live") {
        _ = try await stage.registry.tenants.disable(stage.slug)
      }
      let runs = stage.reconciliations(through: executor)
      await expectError(.tenantUnknown) { _ = try await runs.run(tenant: stage.slug, repair: .safe) }
      #expect(try await stage.live() == [absent, other])
      #expect(try await Self.written(stage) == [0, 0])
    }
  }

  @Test func anEndingWhoseAnswerWasLostIsMadeOnce() async throws {
    try await withStage { stage in
      let (absent, other) = try await stage.absentAtTerra()
      let executor = stage.interfering(at: "correction_insert_if_live", losing: 1)
      let run = try await stage.reconciliations(through: executor).run(tenant: stage.slug, repair: .safe)
      #expect(!executor.isWaiting && run.repaired == 1 && run.remarks.isEmpty, "\(run)")
      #expect(try await stage.live() == [other])
      #expect(try await Self.written(stage) == [1, 1])
      #expect(try await stage.repaired(of: absent).repair?.act == .ended)
      let changes = try await stage.registry.connections.show(tenant: stage.slug, absent).changes
      #expect(changes.map(\.toStatus) == [.failed, .active])
    }
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// Runs of a tenant for whom Terra cannot be asked, because its credentials are missing or sealed with another key.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct UnreadableCredentialsTests {
  /// A tenant whose listing is due, with something that only Terra's answer settles, and something to be found here.
  private static func prepare(_ stage: Stage) async throws -> String {
    let lost = try await stage.sandbox.connectOutsideSession(
      tenant: "acme", referenceID: "person-1", resource: "GARMIN")
    for _ in 0..<2 {
      _ = try await stage.provide(repair: .none)
      try await stage.letPassWithListings(seconds: 700)
    }
    _ = try await stage.registry.reconciliations.run(tenant: "acme")
    #expect(try await stage.openFindings().map(\.kind) == [.missingLocally])
    var change = TenantChange()
    change.providerEvery = .seconds(3_600)
    change.repair = .safe
    _ = try await stage.registry.tenants.update("acme", change)
    try await stage.letPassWithListings(seconds: 7_200)
    try await stage.visit("unknown-token", "user_id=u9")
    return lost
  }

  /// What the schedule makes of the tenant.
  private static func scheduled(_ stage: Stage) async throws -> ReconciliationRun {
    var runs: [ReconciliationRun] = []
    try await stage.registry.reconciliations.runAll(isScheduled: true) { runs.append($0) }
    #expect(runs.count == 1)
    return try #require(runs.first)
  }

  private static func listedAt(_ stage: Stage) async throws -> [String] {
    try await stage.texts("SELECT provider_at::text FROM registry.reconciliation_state")
  }

  @Test(arguments: [true, false]) func whatIsRecordedIsComparedAndTheRestStaysDue(isSealedOtherwise: Bool) async throws
  {
    try await withStage { stage in
      let lost = try await Self.prepare(stage)
      if !isSealedOtherwise {
        try await stage.owner.execute("DELETE FROM registry.tenant_secret WHERE purpose = 'terra_api_key'")
      }
      let keys = isSealedOtherwise ? try MasterKeyRing(MasterKeyRing.newKey()) : stage.configuration.masterKeys
      try await withReplica(of: stage, masterKeys: keys) { other in
        let listed = try await Self.listedAt(stage)
        let asked = await stage.sandbox.calls(tenant: "acme").count
        let run = try await Self.scheduled(other)
        #expect(run.outcome == .partial && run.provider == "incomplete" && run.error == nil, "\(run)")
        #expect(run.foundNew == 1 && run.persisting == 1 && run.repaired == 0, "\(run)")
        let why = isSealedOtherwise ? "a sealed terra_api_key cannot be opened" : "no terra_api_key is stored"
        #expect(
          run.remarks.map { String($0.prefix { $0 != ":" }) } == [
            "Terra's listing was not read, and stays due",
            "Terra was not asked about findings that its answer may settle",
          ], "\(run.remarks)")
        for remark in run.remarks {
          #expect(
            remark.contains(why) && remark.contains("`registry tenant rotate-secret acme --terra-api-key-file FILE`"))
        }
        #expect(try await Self.listedAt(stage) == listed)
        // By hand it is the same, and what is not asked of Terra is whole.
        let byHand = try await other.registry.reconciliations.run(tenant: "acme", asksProvider: true)
        #expect(byHand.outcome == .partial && byHand.remarks.count == 1, "\(byHand)")
        #expect(try await other.registry.reconciliations.run(tenant: "acme").outcome == .complete)
        let rehearsal = try await other.registry.reconciliations.rehearse(
          tenant: "acme", asksProvider: true, repair: .safe)
        #expect(
          rehearsal.isPartial && rehearsal.repairs.isEmpty && rehearsal.remarks.count == 2, "\(rehearsal.remarks)")
        #expect(await stage.sandbox.calls(tenant: "acme").count == asked, "Terra was asked without a key")
        // What the remark says mends it, whatever the signing secrets are sealed with.
        _ = try await other.registry.tenants.rotateSecrets("acme", terraAPIKey: "acme-api-key")
        let mended = try await Self.scheduled(other)
        #expect(mended.outcome == .complete && mended.provider == "complete" && mended.repaired == 1, "\(mended)")
        #expect(try await Self.listedAt(stage) != listed)
        #expect(try await stage.live() == [lost])
      }
    }
  }

  /// Of two processes one has the key: what it has read of the listing is not thrown away by the other.
  @Test func aListingThatAnotherProcessHasBegunIsKept() async throws {
    try await withStage { stage in
      _ = try await stage.connectAndImport(5, pageSize: 2)
      try await stage.letPassWithListings(seconds: 700)
      try await stage.update { $0.listingFault = .rateLimited }
      guard case .incomplete = try await stage.pass() else {
        Issue.record("a listing that ended with 429 counts as complete")
        return
      }
      let reading = "SELECT next_page::text FROM registry.provider_listing WHERE outcome = 'reading'"
      #expect(try await stage.texts(reading) == ["1"])
      try await withReplica(of: stage, masterKeys: try MasterKeyRing(MasterKeyRing.newKey())) { other in
        let run = try await other.registry.reconciliations.run(tenant: "acme", asksProvider: true)
        #expect(run.outcome == .partial, "\(run)")
      }
      #expect(try await stage.texts(reading) == ["1"])
      try await stage.update { $0.listingFault = nil }
      #expect(try await stage.provide().outcome == .complete)
    }
  }

  /// Without its signing secrets a tenant's webhooks are not taken for forged ones: Terra is to try them again.
  @Test func whatNeedsTheSecretsStillSaysThatTheyCannotBeOpened() async throws {
    try await withStage { stage in
      try await withReplica(of: stage, masterKeys: try MasterKeyRing(MasterKeyRing.newKey())) { other in
        await expectError(.secretUnreadable) { try await other.expect(Payload.auth("u1"), .accepted) }
        await expectError(.secretUnreadable) { _ = try await other.open("FITBIT") }
        let written = try await [stage.count("auth_session"), stage.count("webhook_receipt")]
        #expect(written == [0, 0])
      }
    }
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// A run that asks Terra and repairs, killed at any statement and gone on with, leaves what an undisturbed one leaves.
@Suite(.migratedDatabase) struct KilledRepairTests {
  private static let isWhole = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"

  /// What there is of a tenant afterwards, but for ids that are drawn and times.
  private static let dumps = [
    "SELECT concat_ws(' ', 'state', run_id IS NULL, lease_id IS NULL, asked_at IS NULL, provider_at IS NULL) FROM registry.reconciliation_state",
    """
    SELECT concat_ws(' ', 'run', outcome, provider, repair, examined, found_new, persisting, resolved, repaired, remarks,
      is_partial, repaired_to IS NULL) FROM registry.reconciliation_run
    """,
    "SELECT concat_ws(' ', 'listing', outcome, pages, reason) FROM registry.provider_listing",
    "SELECT concat_ws(' ', 'difference', since IS NULL) FROM registry.provider_difference",
    "SELECT concat_ws(' ', 'correction', verdict, source, reason) FROM registry.correction",
    "SELECT concat_ws(' ', 'connection', status, reference_id, resource) FROM registry.connection",
    "SELECT concat_ws(' ', 'change', sequence, from_status, to_status, cause_type) FROM registry.connection_change",
    "SELECT concat_ws(' ', 'finding', kind, status, reason_code, times_opened, change_sequence) FROM registry.finding",
    "SELECT concat_ws(' ', 'finding_change', sequence, from_status, to_status) FROM registry.finding_change",
    "SELECT concat_ws(' ', 'person', reference_id) FROM registry.app_user",
    "SELECT concat_ws(' ', 'audit', actor, action, detail ->> 'act', detail ->> 'kind') FROM registry.audit_entry",
    "SELECT concat_ws(' ', 'subject', family) FROM registry.reconciliation_subject",
  ]

  private static func dump(_ stage: Stage, _ slug: String) async throws -> [String] {
    var lines: [String] = []
    for text in dumps {
      lines += try await stage.texts(text + " WHERE tenant_id = $1 ORDER BY 1", [.uuid(TenantID.of(slug: slug))])
    }
    return lines
  }

  /// Two connections whose webhooks were lost, one whose end was, one that lives on, and a redirect that claims what Terra
  /// does not know: two are confirmed, one is ended, one is left.
  private static func prepare(_ stage: Stage, _ slug: String) async throws {
    for person in ["ann", "bob", "cat", "dan"] {
      let userID = try await stage.sandbox.connectOutsideSession(
        tenant: slug, referenceID: person, resource: "GARMIN", account: "\(slug)-\(person)")
      guard ["cat", "dan"].contains(person) else { continue }
      try await stage.expect(Payload.auth(userID, reference: person, resource: "GARMIN"), .accepted, tenant: slug)
      if person == "cat" { try await stage.sandbox.deauthenticate(tenant: slug, userID: userID) }
    }
    let opened = try await stage.open("FITBIT", reference: "eve", tenant: slug)
    try await stage.visit(opened.token, "user_id=\(opened.session.userID ?? "none")", tenant: slug)
    try await stage.sandbox.update(tenant: slug) { $0.listingPageSize = 1 }
  }

  /// Makes the tenant's run, or works on the one that is asked for until nobody is due.
  private static func work(_ reconciliations: Reconciliations, _ slug: String, isAsked: Bool) async throws {
    guard isAsked else {
      _ = try await reconciliations.run(tenant: slug, asksProvider: true, repair: .safe)
      return
    }
    let scheduler = ReconciliationScheduler(
      reconciliations: reconciliations, schedule: reconciliations.schedule(.asked), logger: reconciliations.logger)
    while try await scheduler.turn() == nil {}
  }

  /// The run that repairs.
  private static func outcomes(_ stage: Stage, _ slug: String) async throws -> [String] {
    try await stage.texts(
      "SELECT outcome FROM registry.reconciliation_run WHERE tenant_id = $1 AND repair = 'safe'",
      [.uuid(TenantID.of(slug: slug))])
  }

  /// Made at once, or by the schedule because it was asked for.
  @Test(.timeLimit(.minutes(20)), arguments: [false, true])
  func killedAtAnyStatementARepairIsMadeOnce(isAsked: Bool) async throws {
    let slugs = (0..<(Self.isWhole ? 400 : 16)).map { "t\($0)" }
    try await withStage(StageSettings(slugs: slugs)) { stage in
      for slug in slugs { try await Self.prepare(stage, slug) }
      try await stage.letPass(seconds: 60)
      for slug in slugs { _ = try await stage.registry.reconciliations.run(tenant: slug, asksProvider: true) }
      try await stage.letPassWithListings(seconds: 700)
      let now = Date()
      // A listing of four is compared in several slices.
      var limits = RunLimits()
      limits.listingSlice = 1
      let undisturbed = KilledRunTests.mortal(stage, statements: .max, at: now, limits: limits)
      func ask(_ slug: String) async throws {
        guard isAsked else { return }
        let asking = KilledRunTests.mortal(stage, statements: .max, at: now)
        _ = try await asking.reconciliations.ask(tenant: slug, asksProvider: true, repair: .safe)
      }
      try await ask(slugs[0])
      try await Self.work(undisturbed.reconciliations, slugs[0], isAsked: isAsked)
      let expected = try await Self.dump(stage, slugs[0])
      let run = try #require(
        try await stage.registry.reconciliations.list(tenant: slugs[0]).items.first { $0.repair == .safe })
      #expect(run.outcome == .complete && run.repaired == 3 && run.remarks.count == 1, "\(run)")
      #expect(expected.filter { $0.hasPrefix("audit") }.count == 3)
      #expect(expected.filter { $0.hasPrefix("correction gone") }.count == 1)
      let count = undisturbed.life.done
      let victims = slugs.dropFirst()
      let moments = Self.isWhole ? Array(0...count) : victims.indices.map { $0 * count / slugs.count }
      try #require(moments.count <= victims.count, "\(count) statements take more tenants")
      for (statements, slug) in zip(moments, victims) {
        try await ask(slug)
        let victim = KilledRunTests.mortal(stage, statements: statements, at: now, limits: limits)
        // The schedule says nothing of whom it had to leave; it finds nobody due, where it lives to look.
        do {
          try await Self.work(victim.reconciliations, slug, isAsked: isAsked)
          #expect(isAsked, "not killed after statement \(statements)")
        } catch {}
        #expect(victim.life.done == min(statements, count), "not killed after statement \(statements)")
        if try await Self.outcomes(stage, slug) != ["complete"] {
          let heir = KilledRunTests.mortal(stage, statements: .max, at: now + 121, limits: limits)
          try await Self.work(heir.reconciliations, slug, isAsked: isAsked)
        }
        let state = try await Self.dump(stage, slug)
        #expect(state == expected, "killed after statement \(statements)")
      }
      print(
        "a repairing run, \(isAsked ? "asked for" : "at once"), of \(count) statements, killed at \(moments.count) of them"
      )
    }
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import TestReceiver
import Testing

/// What endpoints are told of findings: each transition once, however often it is looked at.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct FindingDeliveryTests {
  private static let all = Set(FindingTransitionType.allCases)

  private static func settings(slugs: [String] = ["acme"]) -> StageSettings {
    .delivering(.forTests { $0.areSent = false }, slugs: slugs)
  }

  @Test func aTransitionIsToldOnceHoweverManyRunsSeeIt() async throws {
    try await withStage(Self.settings()) { stage in
      _ = try await stage.listen(Self.all)
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      try await stage.letPass(seconds: 5_000)
      for _ in 0..<3 { _ = try await stage.reconcile() }
      #expect(try await stage.told() == ["1 finding.opened"])
      // Info is to be dealt with in a week, and escalates once for each bound of age beyond that.
      try await stage.letPass(seconds: 6 * 86_400)
      for _ in 0..<2 { _ = try await stage.reconcile() }
      #expect(try await stage.told().count == 1)
      try await stage.letPass(seconds: 86_400)
      for _ in 0..<3 { _ = try await stage.reconcile() }
      #expect(try await stage.told() == ["1 finding.opened", "2 finding.escalated overdue"])
      try await stage.letPass(seconds: 30 * 86_400)
      for _ in 0..<3 { _ = try await stage.reconcile() }
      #expect(try await stage.told().last == "3 finding.escalated older")
      try await stage.expect(Payload.deauth("u1"), .accepted)
      for _ in 0..<3 { _ = try await stage.reconcile() }
      #expect(try await stage.told().last == "4 finding.resolved")
      try await stage.owner.execute(
        "UPDATE registry.connection SET deauthenticated_key = NULL, changed_at = now() WHERE user_id = 'u1'")
      for _ in 0..<3 { _ = try await stage.reconcile() }
      #expect(try await stage.told().last == "5 finding.reopened")
      // Its time begins anew.
      try await stage.letPass(seconds: 8 * 86_400)
      for _ in 0..<2 { _ = try await stage.reconcile() }
      let told = try await stage.told()
      #expect(told.count == 6 && told.last == "6 finding.escalated overdue")
    }
  }

  @Test func aDeliverySaysOfTheFindingWhatTheAPISays() async throws {
    try await Receiver.with { receiver in
      try await withStage(.delivering()) { stage in
        _ = try await stage.addEndpoint(receiver, statuses: [.failed], findings: [.opened, .resolved])
        try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
        try await stage.expect(Payload.auth("u2", reference: "a"), .accepted)
        try await stage.expect(Payload.auth("u2", reference: "b"), .accepted)
        try await stage.letPass(seconds: 5_000)
        _ = try await stage.reconcile()
        await receiver.wait(taken: 2)
        for request in receiver.taken {
          let told = try DeliveredFinding(body: request.body)
          var shown = try await stage.registry.findings.show(tenant: "acme", told.data.finding.id).finding
          #expect(told.type == .opened && told.data.change.fromStatus == nil && told.data.change.toStatus == .open)
          #expect(told.timestamp == shown.openedAt)
          // It was made at the moment of the transition, and the other a moment later.
          shown.ageSeconds = told.data.finding.ageSeconds
          #expect(told.data.finding == shown)
        }
        try await stage.expect(Payload.deauth("u1"), .accepted)
        _ = try await stage.reconcile()
        await receiver.wait(taken: 3)
        let last = try DeliveredFinding(body: try #require(receiver.taken.last).body)
        var shown = try await stage.registry.findings.show(tenant: "acme", last.data.finding.id).finding
        #expect(last.type == .resolved && last.data.change.sequence == 2)
        // Swift counts seconds as a binary fraction.
        #expect(abs(shown.ageSeconds - last.data.finding.ageSeconds) < 0.001)
        shown.ageSeconds = last.data.finding.ageSeconds
        #expect(last.data.finding == shown && shown.resolvedAt != nil)
        try await stage.settleDeliveries()
        let listed = try await stage.registry.deliveries.list(tenant: "acme").items
        #expect(listed.allSatisfy { $0.findingID != nil && $0.userID == nil } && listed.count == 3)
      }
    }
  }

  @Test func anAcknowledgedFindingEscalatesOnceWhenThatIsOver() async throws {
    try await withStage(Self.settings()) { stage in
      _ = try await stage.listen(Self.all)
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      try await stage.letPass(seconds: 5_000)
      _ = try await stage.reconcile()
      let id = try #require(try await stage.finding(.unattributed)).id
      _ = try await stage.registry.findings.acknowledge(
        tenant: "acme", id: id, by: "ann", reason: "known", until: Date() + 20 * 86_400)
      for _ in 0..<2 {
        try await stage.letPass(seconds: 9 * 86_400)
        _ = try await stage.reconcile()
      }
      #expect(try await stage.told() == ["1 finding.opened"])
      try await stage.letPass(seconds: 3 * 86_400)
      for _ in 0..<3 { _ = try await stage.reconcile() }
      #expect(try await stage.told() == ["1 finding.opened", "3 finding.escalated acknowledgement_ended"])
    }
  }

  @Test func aFindingThatBecomesMoreSevereEscalates() async throws {
    try await withStage(Self.settings()) { stage in
      _ = try await stage.listen([.escalated])
      try await stage.expect(Payload.auth("u2", reference: "a"), .accepted)
      try await stage.expect(Payload.auth("u2", reference: "b"), .accepted)
      _ = try await stage.reconcile()
      // As an earlier version may have seen it.
      try await stage.owner.execute(
        "UPDATE registry.finding SET severity = 'info', escalation = 0, announced_escalation = 0")
      for _ in 0..<3 { _ = try await stage.reconcile() }
      #expect(try await stage.told() == ["2 finding.escalated more_severe"])
    }
  }

  @Test func whatAnOlderVersionOpensIsNotMoreSevereButGrowsOld() async throws {
    try await withStage(Self.settings()) { stage in
      _ = try await stage.listen([.escalated])
      try await stage.expect(Payload.auth("u2", reference: "a"), .accepted)
      try await stage.expect(Payload.auth("u2", reference: "b"), .accepted)
      _ = try await stage.reconcile()
      #expect(try await stage.texts("SELECT DISTINCT severity FROM registry.finding") == ["critical"])
      // It names neither column when it inserts, and leaves both alone when it announces.
      try await stage.owner.execute(
        "UPDATE registry.finding SET escalation = DEFAULT, announced_escalation = DEFAULT")
      for _ in 0..<2 { _ = try await stage.reconcile() }
      #expect(try await stage.told().isEmpty)
      #expect(try await stage.texts("SELECT DISTINCT announced_escalation::text FROM registry.finding") == ["20"])
      try await stage.letPass(seconds: 20_000)
      try await stage.owner.execute(
        "UPDATE registry.finding SET escalation = DEFAULT, announced_escalation = DEFAULT")
      for _ in 0..<2 { _ = try await stage.reconcile() }
      #expect(try await stage.told() == ["2 finding.escalated overdue"])
    }
  }

  @Test func anEndpointGetsWhatItHasAskedForAndNoForeignClaim() async throws {
    try await withStage(Self.settings(slugs: ["acme", "other"])) { stage in
      let silent = try await stage.listen([])
      let resolved = try await stage.listen([.resolved])
      let opened = try await stage.listen([.opened])
      try await stage.expect(Payload.auth("theirs"), .accepted, tenant: "other")
      let session = try await stage.open("FITBIT")
      try await stage.visit(session.token, "user_id=theirs")
      try await stage.expect(Payload.auth("u0", reference: nil), .accepted)
      try await stage.letPass(seconds: 5_000)
      let found = try await stage.reconcile()
      let claim = try await stage.finding(.crossTenantClaim)
      #expect(claim != nil && found.count > 1, "\(found)")
      let kinds = try await stage.texts(
        "SELECT DISTINCT body::jsonb #>> '{data,finding,kind}' FROM registry.delivery WHERE finding_id IS NOT NULL")
      #expect(!kinds.isEmpty && !kinds.contains(FindingKind.crossTenantClaim.rawValue))
      let findings = try await stage.count("finding WHERE NOT for_operators")
      #expect(try await stage.told(to: opened).count == findings)
      #expect(try await stage.told(to: silent).isEmpty)
      #expect(try await stage.told(to: resolved).isEmpty)
      let changed = try await stage.registry.endpoints.update(
        tenant: "acme", opened, EndpointChanges(findingTypes: []))
      #expect(changed.findingTypes.isEmpty)
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      try await stage.letPass(seconds: 5_000)
      _ = try await stage.reconcile()
      #expect(try await stage.told(to: opened).count == findings)
    }
  }

  @Test func theBoundsOfEscalationBeginWithTheTarget() {
    for severity in FindingSeverity.allCases {
      #expect(severity.escalations.first == severity.target && severity.escalations == severity.escalations.sorted())
      #expect(severity.escalations.allSatisfy { $0.isFinite })
      #expect(Set(severity.escalations).count <= 4, "as many as finding_escalate knows")
    }
  }
}

extension Stage {
  /// Adds an endpoint to which nothing is sent.
  fileprivate func listen(_ findings: Set<FindingTransitionType>) async throws -> UUID {
    let new = NewEndpoint(url: "http://127.0.0.1:9/", findingTypes: findings)
    return try await registry.endpoints.add(tenant: slug, new).endpoint.endpointID
  }

  /// What was written for endpoints about findings, in the order of the transitions.
  fileprivate func told(to endpoint: UUID? = nil) async throws -> [String] {
    try await texts(
      """
      SELECT concat_ws(' ', sequence, type, body::jsonb #>> '{data,change,reason}') FROM registry.delivery
      WHERE finding_id IS NOT NULL AND ($1::uuid IS NULL OR endpoint_id = $1) ORDER BY finding_id, sequence, endpoint_id
      """, [.uuid(endpoint)])
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

@Suite(.migratedDatabase) struct OtherFindingTests {
  @Test func aQuarantinedEventIsAFindingUntilItIsAccepted() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.auth("u1"), at: -60 * 3_600, trace: "a"), .quarantined)
      let found = try await stage.reconcile()
      let receipt = try #require(try await stage.registry.receipts.list(tenant: "acme").items.first)
      #expect(found == ["quarantined_event \(receipt.receiptID.text)"])
      let finding = try #require(try await stage.finding(.quarantinedEvent))
      let detail = try await stage.registry.findings.show(tenant: "acme", finding.id)
      #expect(detail.receipts.map(\.receiptID) == [receipt.receiptID])
      try await stage.expect(Delivery(Payload.auth("u1"), trace: "a"), .accepted)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
    }
  }

  @Test func rejectedDeliveriesWithoutAnAcceptedOneAreAFailingSignature() async throws {
    try await withStage { stage in
      func reject(_ user: String) async throws {
        var delivery = Delivery(Payload.auth(user))
        delivery.secret = "rotated"
        try await stage.expect(delivery, .rejected)
      }
      try await stage.expect(Payload.auth("u0"), .accepted)
      try await reject("u1")
      try await stage.letPass(seconds: 590)
      try await reject("u2")
      let early = try await stage.reconcile()
      #expect(early.isEmpty)
      try await stage.letPass(seconds: 20)
      let found = try await stage.reconcile()
      #expect(found == ["signature_failing acme"])
      try await stage.expect(Payload.auth("u3", reference: "p3"), .accepted)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
      try await reject("u4")
      try await stage.letPass(seconds: 700)
      let again = try await stage.reconcile()
      #expect(again == ["signature_failing acme"])
      let finding = try await stage.finding(.signatureFailing)
      #expect(finding?.timesOpened == 2)
    }
  }

  @Test func aClaimOfAnotherTenantsIDIsForOperatorsOnly() async throws {
    try await withStage(StageSettings(slugs: ["acme", "other"])) { stage in
      try await stage.expect(Payload.auth("theirs"), .accepted, tenant: "other")
      let opened = try await stage.open("FITBIT")
      try await stage.visit(opened.token, "user_id=theirs")
      let found = try await stage.reconcile()
      #expect(found == ["replayed_attempt \(opened.id.text)"])
      let all = try await stage.allFindings(includingOperators: true)
      let finding = try #require(all.first { $0.kind == .crossTenantClaim })
      #expect(finding.forOperators)
      #expect(finding.subject.id == "theirs")
      await expectError(.notFound) {
        _ = try await stage.registry.findings.show(tenant: "acme", finding.id)
      }
      let shown = try await stage.registry.findings.show(tenant: "acme", finding.id, includingOperators: true)
      #expect(shown.connections.isEmpty)
      #expect(shown.callbacks.count == 1)
      let theirs = try await stage.reconcile(tenant: "other")
      #expect(theirs.isEmpty)
      _ = try await stage.reconcile()
      let again = try await stage.finding(.crossTenantClaim)
      #expect(again?.status == .open)
      #expect(again?.timesOpened == 1)
    }
  }

  @Test func aFloodOfUnknownTokensGivesAHundredAndOneSummary() async throws {
    try await withStage { stage in
      for number in 1...130 { try await stage.visit("flood-\(number)", "user_id=x") }
      // All in one hour, whenever the test runs.
      try await stage.owner.execute(
        """
        UPDATE registry.redirect_callback SET recorded_at =
          date_trunc('hour', recorded_at, 'UTC') - interval '1 hour' + (recorded_at - (SELECT min(recorded_at) FROM registry.redirect_callback))
        """)
      _ = try await stage.reconcile()
      let findings = try await stage.allFindings()
      #expect(findings.count == 101)
      #expect(findings.filter { $0.subject.type == "tenant" }.map(\.evidence.first?.id) == ["30"])
      let second = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(second.foundNew == 0)
      #expect(second.resolved == 0)
      #expect(second.persisting == 101)
    }
  }

  @Test func aTokenOfAnEarlierHourTakesNoPlaceInALaterOne() async throws {
    try await withStage { stage in
      for number in 1...100 { try await stage.visit("early-\(number)", "a=1") }
      try await stage.owner.execute(
        "UPDATE registry.redirect_callback SET recorded_at = date_trunc('hour', now(), 'UTC') - interval '2 hours'")
      _ = try await stage.reconcile()
      for number in 1...100 { try await stage.visit("early-\(number)", "a=2") }
      try await stage.visit("late", "a=1")
      try await stage.owner.execute(
        """
        UPDATE registry.redirect_callback SET recorded_at = date_trunc('hour', now(), 'UTC') - interval '1 hour'
        WHERE raw_query = 'a=2' OR attempt_sha256 = sha256('late')
        """)
      try await stage.owner.execute("UPDATE registry.reconciliation_state SET watermark = NULL")
      _ = try await stage.reconcile()
      let findings = try await stage.allFindings()
      #expect(findings.count == 101)
      #expect(findings.allSatisfy { $0.subject.type == "attempt" })
    }
  }

  @Test func evidenceIsBounded() async throws {
    try await withStage { stage in
      for number in 1...60 { try await stage.visit("one-token", "a=\(number)") }
      for number in 1...60 {
        try await stage.expect(Payload.auth("u1", reference: "person-\(number)"), .accepted)
        try await stage.expect(Payload.reauth(from: "old", to: "new-\(number)"), .accepted)
      }
      try await stage.letPass(seconds: 5_000)
      _ = try await stage.reconcile()
      let findings = try await stage.allFindings()
      #expect(Set(findings.map(\.kind)).isSuperset(of: [.unknownAttempt, .referenceConflict, .orphanReauth]))
      for finding in findings { #expect(finding.evidence.count <= 20, "\(finding.kind)") }
    }
  }

  @Test func aSecondSuccessSharingTheWidgetsIDIsTiedToAMultiAuthSession() async throws {
    try await withStage { stage in
      let opened = try await stage.open(multiAuth: true)
      let widget = opened.session.terraSessionID
      for (user, resource) in [("u1", "FITBIT"), ("u2", "OURA")] {
        try await stage.expect(Payload.auth(user, resource: resource, widgetSession: widget), .accepted)
        try await stage.visit(opened.token, "user_id=\(user)&resource=\(resource)&reference_id=person-1")
      }
      try await stage.letPass(seconds: 200_000)
      let found = try await stage.reconcile()
      #expect(found.isEmpty)
    }
  }

  /// Webhooks of one session may come in any order, and the browser between them: for the grace of a callback nothing is
  /// held against an id of which no event has come yet.
  @Test func theBrowserMayComeBetweenTheEventsOfAMultiAuthSession() async throws {
    try await withStage { stage in
      let opened = try await stage.open(multiAuth: true)
      let widget = opened.session.terraSessionID
      try await stage.expect(Payload.auth("u1", resource: "FITBIT", widgetSession: widget), .accepted)
      let answer = try await stage.visit(opened.token, "user_id=u2&resource=OURA&reference_id=person-1")
      let isWelcome =
        if case .redirect(let target) = answer {
          target.hasPrefix(Stage.returnURL + "?") && target.contains("verdict=unverified")
        } else {
          false
        }
      #expect(isWelcome, "\(answer)")
      #expect(try await stage.reconcile() == [])
      try await stage.expect(Payload.auth("u2", resource: "OURA", widgetSession: widget), .accepted)
      #expect(try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict) == [.corroborated])
      try await stage.letPass(seconds: 2_000)
      #expect(try await stage.reconcile() == [])
    }
  }

  /// Whose event names another session, or is claimed long after the session's end, is not waited for.
  @Test func anIDOfAnotherMultiAuthSessionIsAReplayAtOnce() async throws {
    try await withStage { stage in
      let opened = try await stage.open(multiAuth: true)
      let other = try await stage.open(multiAuth: true)
      for (user, session) in [("u1", opened.session), ("u2", other.session)] {
        try await stage.expect(Payload.auth(user, widgetSession: session.terraSessionID), .accepted)
      }
      try await stage.visit(opened.token, "user_id=u2")
      #expect(try await stage.reconcile().contains("replayed_attempt \(opened.id.text)"))
      let late = try await stage.open(multiAuth: true)
      try await stage.expect(Payload.auth("u3", widgetSession: late.session.terraSessionID), .accepted)
      try await stage.letPass(seconds: 200_000)
      try await stage.visit(late.token, "user_id=u4")
      #expect(try await stage.reconcile().contains("replayed_attempt \(late.id.text)"))
    }
  }

  /// Neither does another callback with the same id begin the grace anew.
  @Test func anIDOfWhichNoEventOfAMultiAuthSessionComesIsAReplay() async throws {
    try await withStage { stage in
      let opened = try await stage.open(multiAuth: true)
      try await stage.expect(Payload.auth("u1", widgetSession: opened.session.terraSessionID), .accepted)
      try await stage.visit(opened.token, "user_id=stolen")
      #expect(try await stage.reconcile() == [])
      try await stage.letPass(seconds: 2_000)
      #expect(
        try await stage.reconcile().sorted() == [
          "event_without_callback \(opened.id.text)", "replayed_attempt \(opened.id.text)",
        ])
      try await stage.visit(opened.token, "user_id=stolen&again=1")
      let verdicts = try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict)
      #expect(verdicts == [.contradicted, .contradicted])
    }
  }

  @Test func aFindingVanishesAndOpensAgainAsTheSame() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let user = opened.session.userID ?? ""
      try await stage.visit(opened.token, "user_id=\(user)")
      try await stage.letPass(seconds: 2_000)
      let found = try await stage.reconcile()
      #expect(found == ["callback_without_event \(opened.id.text)"])
      let first = try #require(try await stage.finding(.callbackWithoutEvent))
      let detail = try await stage.registry.findings.show(tenant: "acme", first.id)
      #expect(detail.sessions.map(\.sessionID) == [opened.id])
      #expect(detail.callbacks.count == 1)
      try await stage.expect(Payload.auth(user), .accepted)
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect([run.foundNew, run.persisting, run.resolved] == [0, 0, 1])
      try await stage.owner.execute("DELETE FROM registry.auth_event")
      try await stage.owner.execute("UPDATE registry.reconciliation_state SET watermark = NULL")
      let third = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect([third.foundNew, third.persisting, third.resolved] == [1, 0, 0])
      let again = try #require(try await stage.finding(.callbackWithoutEvent))
      #expect(again.id == first.id)
      #expect(again.timesOpened == 2)
      #expect(again.status == .open)
      #expect(again.firstSeenAt <= again.lastSeenAt)
      #expect(again.ageSeconds >= 0)
    }
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
import TestDatabase
import TestRandom
import Testing

/// The table of sessions, events and callbacks over all combinations, in the real SQL.
@Suite(.migratedDatabase) struct MatchingTests {
  enum Event: CaseIterable { case inGrace, late, quarantined, absent }
  enum Browser: CaseIterable { case honest, reload, lost, reference, resource, failure }
  enum Forged: CaseIterable { case none, unknown, stolen }

  struct Combination: Sendable {
    let kind: AuthSession.Kind
    let event: Event
    let browser: Browser
    let forged: Forged

    static var all: [Combination] {
      [AuthSession.Kind.direct, .widget].flatMap { kind in
        Event.allCases.flatMap { event in
          Browser.allCases.flatMap { browser in
            Forged.allCases.map { Combination(kind: kind, event: event, browser: browser, forged: $0) }
          }
        }
      }
    }

    private var isBack: Bool { [.honest, .reload, .reference, .resource].contains(browser) }
    private var isAccepted: Bool { event == .inGrace || event == .late }

    /// What the table of the design says, with its two blind spots.
    var expected: Set<FindingKind> {
      var kinds: Set<FindingKind> = []
      if event == .quarantined { kinds.insert(.quarantinedEvent) }
      if event == .late { kinds.insert(.lateEvent) }
      switch (isAccepted, isBack, browser == .failure) {
      case (true, false, false): kinds.insert(.eventWithoutCallback)
      case (true, false, true): kinds.insert(.outcomeMismatch)
      case (false, true, _): kinds.insert(.callbackWithoutEvent)
      case (false, false, false): kinds.insert(.staleSession)
      default: break
      }
      let isBlind = kind == .widget && !isAccepted
      if browser == .reference { kinds.insert(.referenceMismatch) }
      if browser == .resource, !isBlind { kinds.insert(.resourceMismatch) }
      if forged == .unknown { kinds.insert(.unknownAttempt) }
      if forged == .stolen {
        if isBlind, !isBack {
          // The stolen claim is the only one, so it ties itself.
          kinds.remove(.staleSession)
          kinds.insert(.callbackWithoutEvent)
        } else {
          kinds.insert(.replayedAttempt)
        }
      }
      return kinds
    }
  }

  @Test func everyCombinationGivesWhatTheTableSays() async throws {
    var generator = SeededGenerator(seed: TestSeed.take("everyCombinationGivesWhatTheTableSays"))
    let order = Combination.all.shuffled(using: &generator)
    let shuffles = order.map { _ in generator.next() }
    try await withStage { stage in
      var subjects: [String: Int] = [:]
      for (index, combination) in order.enumerated() {
        for subject in try await Self.write(combination, index, seed: shuffles[index], to: stage) {
          subjects[subject] = index
        }
      }
      try await stage.letPass(seconds: 100_000)
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.outcome == .complete)
      var found: [Set<FindingKind>] = order.map { _ in [] }
      for finding in try await stage.allFindings() {
        let index = try #require(subjects[finding.subject.id], "\(finding.kind) about \(finding.subject)")
        found[index].insert(finding.kind)
      }
      for (index, combination) in order.enumerated() {
        #expect(found[index] == combination.expected, "\(combination)")
      }
      let again = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(again.foundNew == 0)
      #expect(again.resolved == 0)
      #expect(again.persisting == run.foundNew)
    }
  }

  @Test func anotherAppUserNamedByTheEventDoesNotHideAnotherResourceNamedByTheRedirect() async throws {
    try await withStage { stage in
      let opened = try await stage.open(reference: "person-1")
      try await stage.visit(opened.token, "user_id=u1&reference_id=person-1&resource=OURA")
      // A second event of the id, which names another app user and no session, comes before the first one.
      try await stage.expect(Payload.auth("u1", reference: "person-2"), .accepted)
      try await stage.letPass(seconds: 100_000)
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      let found = try await stage.allFindings().filter { $0.subject.id == opened.id.text }.map(\.kind)
      #expect(Set(found) == [.referenceMismatch, .resourceMismatch])
    }
  }

  /// Writes the facts of one combination in an order of its own; returns the subjects that its findings may have.
  private static func write(
    _ combination: Combination, _ index: Int, seed: UInt64, to stage: Stage
  ) async throws -> [String] {
    var generator = SeededGenerator(seed: seed)
    let person = "person-\(index)"
    let opened = try await stage.open(combination.kind == .direct ? "FITBIT" : nil, reference: person)
    let user = opened.session.userID ?? "user-\(index)"
    let unknown = "unknown-token-\(index)"
    let honest = "user_id=\(user)&reference_id=\(person)&resource=FITBIT"
    var acts: [@Sendable () async throws -> Void] = []
    switch combination.browser {
    case .honest: acts = [{ try await stage.visit(opened.token, honest) }]
    case .reload:
      acts = [{ try await stage.visit(opened.token, honest) }, { try await stage.visit(opened.token, honest) }]
    case .lost: break
    case .reference:
      acts = [{ try await stage.visit(opened.token, "user_id=\(user)&reference_id=X&resource=FITBIT") }]
    case .resource:
      acts = [{ try await stage.visit(opened.token, "user_id=\(user)&reference_id=\(person)&resource=OURA") }]
    case .failure: acts = [{ try await stage.visit(opened.token, honest, outcome: .failure) }]
    }
    switch combination.forged {
    case .none: break
    case .unknown:
      acts.append { try await stage.visit(unknown, "user_id=Z&reference_id=\(person)&resource=FITBIT") }
    case .stolen:
      acts.append { try await stage.visit(opened.token, "user_id=Z\(index)&reference_id=\(person)&resource=FITBIT") }
    }
    let body = Payload.auth(user, reference: person, widgetSession: opened.session.terraSessionID)
    switch combination.event {
    case .inGrace: acts.append { try await stage.expect(Delivery(body), .accepted) }
    case .late: acts.append { try await stage.expect(Delivery(body, at: -3_600), .accepted) }
    case .quarantined: acts.append { try await stage.expect(Delivery(body, at: -49 * 3_600), .quarantined) }
    case .absent: break
    }
    for act in acts.shuffled(using: &generator) { try await act() }
    var subjects = [opened.id.text, Fingerprint.hex(AttemptToken(presented: unknown).sha256)]
    subjects += try await stage.texts(
      "SELECT receipt_id::text FROM registry.webhook_receipt WHERE user_id = $1", [.text(user)])
    return subjects
  }
}

extension Stage {
  /// All findings in the given states, over all pages.
  func allFindings(
    _ statuses: Set<FindingStatus>? = nil, tenant: String? = nil, includingOperators: Bool = false
  ) async throws -> [Finding] {
    var all: [Finding] = []
    var page = Page(limit: 500)
    repeat {
      let listed = try await registry.findings.list(
        tenant: tenant ?? slug, filter: FindingFilter(statuses: statuses), page: page,
        includingOperators: includingOperators)
      all += listed.items
      page.cursor = listed.nextCursor
    } while page.cursor != nil
    return all
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// The same facts and claims give the same state, whatever their order, repetition and simultaneity.
@Suite(.migratedDatabase) struct ConvergenceTests {
  typealias Act = @Sendable (Stage, String) async throws -> Void

  /// The facts and claims of one tenant, and the names that its state is compared under.
  struct Story: Sendable {
    var acts: [Act] = []
    var names: [String: String] = [:]
  }

  static func story(_ stage: Stage, _ slug: String, t: Int64) async throws -> Story {
    var story = Story()
    func event(_ body: String, _ second: Int64, retries: [Int64] = []) {
      story.acts.append { stage, slug in
        try await stage.deliver(Delivery(body, t: t + second, trace: "\(second)"), tenant: slug)
      }
      for retry in retries {
        story.acts.append { stage, slug in
          try await stage.deliver(Delivery(body, t: t + retry, trace: "\(second)"), tenant: slug)
        }
      }
    }
    let direct = try await stage.open("FITBIT", reference: "a", tenant: slug)
    let widget = try await stage.open(reference: "b", tenant: slug)
    let denied = try await stage.open("OURA", reference: "c", tenant: slug)
    let user = direct.session.userID ?? ""
    let deniedUser = denied.session.userID ?? ""
    story.names = [user: "direct", deniedUser: "denied"]
    event(Payload.auth(user, reference: "a"), 1)
    event(Payload.auth("w", reference: nil, widgetSession: widget.session.terraSessionID), 2, retries: [30])
    event(Payload.cancelled(reference: "c"), 60)
    event(Payload.auth("x", reference: "a", scopes: "A"), 3)
    event(Payload.event("connection_error", user: "x"), 4, retries: [40])
    event(Payload.event("permission_change", status: "warning", user: "x", scopes: "A,B"), 5)
    event(Payload.reauth(from: "x", to: "y", oldReference: "a", newReference: nil), 6)
    event(Payload.reauth(from: "y", to: "z", oldReference: nil, newReference: nil), 7)
    event(Payload.auth("z", reference: nil), 8)
    event(Payload.deauth("z"), 9, retries: [50])
    event(Payload.auth("z", reference: "d"), 10)
    event(Payload.event("access_revoked", user: "w"), 11)
    event(Payload.auth("e", reference: "e"), 12, retries: [42, 43])
    event(Payload.event("auth", status: "error", user: "g"), 13)
    for claim in ["user_id=\(user)&reference_id=a", "user_id=\(user)&reference_id=q", "user_id=w"] {
      story.acts.append { stage, slug in try await stage.visit(direct.token, claim, tenant: slug) }
    }
    story.acts.append { stage, slug in try await stage.visit(widget.token, "user_id=w&resource=FITBIT", tenant: slug) }
    story.acts.append { stage, slug in try await stage.visit("unknown", "user_id=w", tenant: slug) }
    story.acts.append { stage, slug in
      try await stage.deliver(Delivery(Payload.data("e"), t: t + 14), tenant: slug)
    }
    return story
  }

  static func state(_ stage: Stage, _ slug: String, _ names: [String: String]) async throws -> [String] {
    let id = PostgresParameter.uuid(TenantID.of(slug: slug))
    func named(_ text: String) -> String { names.reduce(text) { $0.replacing($1.key, with: $1.value) } }
    let connections = try await stage.texts(
      """
      SELECT concat_ws('|', user_id, status, reference_id, resource, scopes, superseded_by, last_data_at)
      FROM registry.connection WHERE tenant_id = $1
      """, [id])
    let people = try await stage.texts("SELECT reference_id FROM registry.app_user WHERE tenant_id = $1", [id])
    let events = try await stage.count("auth_event WHERE tenant_id = '\(TenantID.of(slug: slug))'")
    let sessions = try await stage.registry.sessions.list(tenant: slug).items.map(\.status.rawValue)
    let claims = try await stage.registry.callbacks.list(tenant: slug).items
      .map { "\($0.outcome) \($0.rawQuery) \($0.verdict)" }
    return connections.map(named).sorted() + people.sorted() + ["\(events) events"] + sessions
      + claims.map(named).sorted()
  }

  /// Changes have no gaps, follow each other, and end in the state.
  static func expectWholeChangeLog(_ stage: Stage) async throws {
    let broken = try await stage.texts(
      """
      SELECT c.user_id FROM registry.connection c
      LEFT JOIN LATERAL (
        SELECT count(*) AS changes, max(h.sequence) AS last,
          (array_agg(h.to_status ORDER BY h.sequence DESC))[1] AS status,
          bool_and(h.from_status IS NOT DISTINCT FROM h.previous AND h.from_status IS DISTINCT FROM h.to_status) AS follows
        FROM (SELECT x.*, lag(x.to_status) OVER (ORDER BY x.sequence) AS previous
              FROM registry.connection_change x WHERE x.tenant_id = c.tenant_id AND x.user_id = c.user_id) h
      ) l ON true
      WHERE l.changes = 0 OR l.changes <> l.last OR l.status <> c.status OR NOT l.follows
      """)
    #expect(broken.isEmpty)
    let causeless = try await stage.texts(
      """
      SELECT h.cause_id FROM registry.connection_change h WHERE h.cause_type = 'event' AND NOT EXISTS (
        SELECT 1 FROM registry.auth_event e WHERE e.tenant_id = h.tenant_id AND e.event_id::text = h.cause_id)
      """)
    #expect(causeless.isEmpty)
  }

  @Test func everyOrderAndSimultaneityGivesTheSame() async throws {
    let seed = TestSeed.take("everyOrderAndSimultaneityGivesTheSame")
    let slugs = (0..<10).map { "tenant-\($0)" }
    let t = Int64(Date().timeIntervalSince1970) - 100
    try await withStage(StageSettings(slugs: slugs)) { stage in
      var states: [[String]] = []
      for (number, slug) in slugs.enumerated() {
        var generator = SeededGenerator(seed: seed &+ UInt64(number))
        let story = try await Self.story(stage, slug, t: t)
        // Every fact and claim once, and as many of them again.
        let repeated = story.acts + story.acts.filter { _ in Bool.random(using: &generator) }
        let acts = number == 0 ? story.acts : repeated.shuffled(using: &generator)
        if number % 2 == 0 {
          for act in acts { try await act(stage, slug) }
        } else {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for act in acts { group.addTask { try await act(stage, slug) } }
            try await group.waitForAll()
          }
        }
        states.append(try await Self.state(stage, slug, story.names))
      }
      for (slug, state) in zip(slugs, states) { #expect(state == states[0], "\(slug)") }
      try await Self.expectWholeChangeLog(stage)
    }
  }

  @Test func fiftyDeliveriesOfOneEventAtOnceAreOne() async throws {
    try await withStage(StageSettings(connections: 30)) { stage in
      let t = Int64(Date().timeIntervalSince1970)
      for round in 0..<6 {
        let user = "u\(round)"
        let body = round % 2 == 0 ? Payload.auth(user) : Payload.cancelled(reference: user)
        let answers = try await withThrowingTaskGroup(of: WebhookAnswer.Disposition.self) { group in
          // Each is tied to the next by its time or by its trace.
          for number in 0..<50 {
            group.addTask {
              try await stage.deliver(Delivery(body, t: t - Int64(number / 10), trace: "\(round)"))
            }
          }
          return try await group.reduce(into: [WebhookAnswer.Disposition]()) { $0.append($1) }
        }
        #expect(answers.filter { $0 == .accepted }.count == 1, "round \(round)")
        #expect(answers.filter { $0 == .duplicate }.count == 49, "round \(round)")
      }
      let events = try await stage.count("auth_event")
      #expect(events == 6)
      try await Self.expectWholeChangeLog(stage)
    }
  }

  @Test func reauthenticationsThatCrossEachOtherDoNotFail() async throws {
    try await withStage(StageSettings(connections: 30)) { stage in
      let t = Int64(Date().timeIntervalSince1970) - 200
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<60 {
          group.addTask {
            let (from, to) = number % 2 == 0 ? ("a", "b") : ("b", "a")
            try await stage.deliver(
              Delivery(
                Payload.reauth(from: from, to: to, oldReference: "p\(number % 3)", newReference: "p\(number % 5)"),
                t: t + Int64(number)))
          }
        }
        try await group.waitForAll()
      }
      try await Self.expectWholeChangeLog(stage)
    }
  }
}

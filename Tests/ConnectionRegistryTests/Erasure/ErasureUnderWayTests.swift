@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// Erasures beside writers, and erasures that are broken off.
@Suite(.migratedDatabase) struct ErasureUnderWayTests {
  private static let person = ErasureWorld.person

  private struct Killed: Error {}

  @Test(arguments: Eraser.Step.allCases) func oneThatWasBrokenOffIsGoneOnWith(at step: Eraser.Step) async throws {
    try await withHTTP(ErasureWorld.settings) { http in
      let key = try await http.key(.admin)
      try await ErasureWorld.populate(http, key: key)
      let others = try await Traces.rows(http.stage, naming: ErasureWorld.othersNames)
      let shared = try await ErasureWorld.shared(http.stage)
      var eraser = try await http.stage.registry.appUsers.eraser(
        tenant: "acme", Self.person, within: .seconds(600))
      eraser.stepped = { if $0 == step { throw Killed() } }
      let broken = eraser
      await #expect(throws: Killed.self) { try await broken.run(by: "test") }
      let answer = try await http.send("DELETE", ErasureWorld.path, key: key)
      #expect(answer.status == (step == .ended ? 404 : 200), "\(answer.text)")
      let left = try await Traces.rows(http.stage, naming: ErasureWorld.names)
      #expect(left == [])
      #expect(try await http.stage.count("erasure_scope") == 0)
      let lost = others.subtracting(try await Traces.rows(http.stage, naming: ErasureWorld.othersNames))
      #expect(lost.isSubset(of: shared))
    }
  }

  /// Writers at work on the very connections, runs and listings beside them: what comes before is erased, what comes after
  /// is left out.
  @Test(.timeLimit(.minutes(20))) func writersAtTheSameTimeLeaveNothing() async throws {
    try await withHTTP(ErasureWorld.settings) { http in
      let stage = http.stage
      let id = TenantID.of(slug: "acme")
      _ = try await stage.registry.endpoints.add(
        tenant: "acme",
        NewEndpoint(
          url: "http://127.0.0.1:9/", description: "nobody listens", findingTypes: Set(FindingTransitionType.allCases)))
      for round in 0..<4 {
        let users = (0..<4).map { "u\(round)-\($0)" }
        for user in users { try await stage.expect(Payload.auth(user, reference: Self.person), .accepted) }
        let isOver = NIOLockedValueBox(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for user in users {
            group.addTask {
              var number = 0
              while !isOver.withLockedValue({ $0 }) || number < 10 {
                number += 1
                let event = Payload.auth(user, reference: Self.person, resource: "R\(number)")
                _ = try await stage.deliver(Delivery(event, at: Double(-number)))
                _ = try await stage.visit("\(user)-\(number)", "user_id=\(user)")
                try await ObservedFact(
                  .alive, of: user, askedAt: Date(), source: "import", reason: "listed",
                  attributes: ConnectionAttributes(referenceID: Self.person)
                ).write(stage.registry.database, tenantID: id)
              }
            }
          }
          group.addTask {
            while !isOver.withLockedValue({ $0 }) {
              _ = try await stage.registry.reconciliations.run(tenant: "acme", isFull: true, asksProvider: true)
            }
          }
          group.addTask {
            _ = try await stage.registry.appUsers.erase(
              tenant: "acme", Self.person, by: "test", within: .seconds(600))
            isOver.withLockedValue { $0 = true }
          }
          try await group.waitForAll()
        }
        let left = try await Traces.rows(stage, naming: users + [Self.person])
        #expect(left == [], "round \(round)")
      }
    }
  }

  /// Whoever has begun to write before the fence is waited for: here a correction, to which nothing but the id leads.
  @Test func whoHasNotSeenTheFenceIsWaitedFor() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: Self.person), .accepted)
      var eraser = try await stage.registry.appUsers.eraser(tenant: "acme", Self.person, within: .seconds(600))
      let (steps, step) = AsyncStream.makeStream(of: Eraser.Step.self)
      eraser.stepped = { step.yield($0) }
      let erasing = eraser
      try await withThrowingTaskGroup(of: Void.self) { group in
        try await stage.owner.withTransaction { writer in
          try await writer.execute(
            """
            INSERT INTO registry.correction (tenant_id, correction_id, occurred_at, user_id, verdict, source, reason)
            SELECT t.tenant_id, md5('c')::uuid, now(), 'u1', 'alive', 'import', 'listed' FROM registry.tenant t
            """)
          group.addTask { _ = try await erasing.run(by: "test") }
          var seen = steps.makeAsyncIterator()
          let first = await seen.next()
          #expect(first == .fenced)
          await expectError(.erasureUnfinished) {
            _ = try await stage.registry.appUsers.erase(
              tenant: "acme", Self.person, by: "test", within: .milliseconds(200))
          }
          #expect(try await stage.count("connection") == 1)
        }
        try await group.waitForAll()
      }
      #expect(try await stage.count("correction") == 0)
      let left = try await Traces.rows(stage, naming: [Self.person, "u1"])
      #expect(left == [])
    }
  }

  /// Whoever has found the app user there may name them until the end. That goes as well, and the notes with it, whether
  /// or not the app user comes again meanwhile.
  @Test(arguments: [false, true]) func whatNamesThemAtTheEndLeavesNothing(comesAgain: Bool) async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: Self.person), .accepted)
      var eraser = try await stage.registry.appUsers.eraser(tenant: "acme", Self.person, within: .seconds(600))
      let ends = NIOLockedValueBox(0)
      eraser.stepped = { step in
        if step == .ended { ends.withLockedValue { $0 += 1 } }
        guard ends.withLockedValue({ $0 }) == 1 else { return }
        if step == .ended {
          try await stage.owner.execute(
            PostgresStatement(
              """
              INSERT INTO registry.auth_event (tenant_id, event_id, signed_at, occurred_at, channel, kind, type, user_id,
                reference_id, body, body_sha256)
              SELECT t.tenant_id, md5('e')::uuid, now(), now(), 'webhook', 'auth_success', 'auth', 'u9', $1::text, '{}',
                sha256('{}') FROM registry.tenant t
              """, [.text(Self.person)]))
        } else if comesAgain, step == .sweptWhatFollows {
          try await stage.owner.execute(
            PostgresStatement(
              "INSERT INTO registry.app_user (tenant_id, reference_id) SELECT t.tenant_id, $1::text FROM registry.tenant t",
              [.text(Self.person)]))
        }
      }
      let erasure = try await eraser.run(by: "test")
      #expect(erasure.events == 2 && erasure.appUsers == 1, "\(erasure)")
      #expect(ends.withLockedValue { $0 } == (comesAgain ? 1 : 2))
      #expect(try await stage.count("erasure_scope") == 0)
      let left = try await Traces.rows(stage, naming: [Self.person, "u1", "u9"])
      #expect(Set(left.map { String($0.prefix { $0 != " " }) }) == (comesAgain ? ["app_user"] : []))
      if comesAgain {
        _ = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test")
        #expect(try await Traces.rows(stage, naming: [Self.person]) == [])
      }
    }
  }

  /// A deadlock, a lock that is not to be had, a statement that takes too long: what was fenced stays fenced.
  @Test(arguments: ["40P01", "55P03", "57014"]) func whatMayPassIsToBeAskedForAgain(_ state: String) async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: Self.person), .accepted)
      try await stage.owner.execute(
        PostgresStatement(
          """
          CREATE FUNCTION registry.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '\(state)'; END $$
          """))
      try await stage.owner.execute(
        "CREATE TRIGGER refuse BEFORE DELETE ON registry.connection FOR EACH ROW EXECUTE FUNCTION registry.refuse()")
      await expectError(.erasureUnfinished) {
        _ = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test", within: .seconds(1))
      }
      try await stage.expect(Payload.deauth("u1"), .erased)
      try await stage.owner.execute("DROP TRIGGER refuse ON registry.connection")
      _ = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test")
      #expect(try await Traces.rows(stage, naming: [Self.person, "u1"]) == [])
    }
  }

  /// That it is the fence which holds: without it what comes late is there again.
  @Test func withoutTheFenceTheyComeBack() async throws {
    try await withStage { stage in
      try await stage.owner.execute(
        """
        CREATE FUNCTION registry.lost() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$
        """)
      try await stage.owner.execute(
        "CREATE TRIGGER lost BEFORE INSERT ON registry.erased_subject FOR EACH ROW EXECUTE FUNCTION registry.lost()")
      try await stage.expect(Payload.auth("u1", reference: Self.person), .accepted)
      _ = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test")
      #expect(try await Traces.rows(stage, naming: [Self.person, "u1"]) == [])
      try await stage.expect(Payload.deauth("u1"), .accepted)
      #expect(try await Traces.tables(stage, naming: ["u1"]).contains("connection"))
    }
  }

  /// A lock of another transaction on one of their rows makes it wait, and it holds nobody else's row meanwhile.
  @Test func aRowThatIsLockedIsWaitedForUntilTheDeadline() async throws {
    try await withStage { stage in
      for (user, reference) in [("u1", Self.person), ("u12", "zoe")] {
        try await stage.expect(Payload.auth(user, reference: reference), .accepted)
      }
      try await stage.owner.withTransaction { holder in
        try await holder.execute("SELECT FROM registry.connection WHERE user_id = 'u1' FOR SHARE")
        await expectError(.erasureUnfinished) {
          _ = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test", within: .seconds(1))
        }
        try await stage.expect(Payload.deauth("u12"), .accepted)
        try await stage.expect(Payload.deauth("u1"), .erased)
      }
      _ = try await stage.registry.appUsers.erase(tenant: "acme", Self.person, by: "test")
      let left = try await Traces.rows(stage, naming: [Self.person, "u1"])
      #expect(left == [])
    }
  }
}

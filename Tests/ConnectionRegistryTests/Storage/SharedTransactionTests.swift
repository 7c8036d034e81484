@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
@testable import RegistryPostgres
import RegistrySQL
import RegistryTerra
import TestDatabase
import TestRandom
import Testing

/// Callers that share a transaction get what each would have got in one of its own.
@Suite(.migratedDatabase) struct SharedTransactionTests {
  /// Runs calls so that what they write travels together: the write lane is held up until all of them wait for it.
  private func together<Value: Sendable>(
    _ stages: [Stage], _ calls: [@Sendable () async throws -> Value]
  ) async throws -> [Result<Value, any Error>] {
    let first = try #require(stages.first)
    // A receipt is what none of the calls writes, so a delivery that leaves one can be stopped without stopping them.
    let (holdUps, running) = try await first.owner.withTransaction { gate in
      try await gate.execute("LOCK TABLE registry.webhook_receipt IN SHARE MODE")
      let holdUps = stages.map { stage in
        Task { try await stage.deliver(Payload.event("user_moved", user: "nobody-\(UUID())")) }
      }
      // Databases of other tests are copies of one template, and their tables have the same ids.
      let waiting = """
        SELECT FROM pg_locks WHERE relation = 'registry.webhook_receipt'::regclass AND NOT granted
          AND database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        """
      while try await first.owner.execute(waiting).count < stages.count { await Task.yield() }
      let running = calls.map { call in Task { try await call() } }
      while try stages.reduce(0, { try $0 + waitingCount($1) }) < calls.count { await Task.yield() }
      return (holdUps, running)
    }
    for holdUp in holdUps { _ = try await holdUp.value }
    var results: [Result<Value, any Error>] = []
    for task in running { results.append(await task.result) }
    return results
  }

  private func waitingCount(_ stage: Stage) throws -> Int {
    try #require(stage.registry.database.lanes).writes[0].state.withLockedValue { $0.machine.waitingCount }
  }

  private func deliveries(_ stage: Stage, _ all: [Delivery]) -> [@Sendable () async throws -> WebhookAnswer.Disposition]
  {
    all.map { delivery in { try await stage.deliver(delivery) } }
  }

  /// In how many transactions the rows of a table were written.
  private func transactions(_ stage: Stage, _ table: String) async throws -> Int {
    try await stage.texts("SELECT DISTINCT xmin::text FROM registry.\(table)").count
  }

  @Test func theSameWebhookTwiceIsOneEventAndADuplicate() async throws {
    try await withStage(StageSettings(lanes: 1)) { stage in
      let t = Int64(Date().timeIntervalSince1970)
      for body in [Payload.auth("u1"), Payload.cancelled(reference: "p")] {
        let delivery = Delivery(body, t: t, trace: "a")
        // One by its time, one by its trace.
        let answers = try await together(
          [stage], deliveries(stage, [delivery, delivery, Delivery(body, t: t - 1, trace: "a")])
        ).map { try $0.get() }
        #expect(answers.filter { $0 == .accepted }.count == 1)
        #expect(answers.filter { $0 == .duplicate }.count == 2)
      }
      #expect(try await stage.count("auth_event") == 2)
      #expect(try await stage.count("connection_change") == 1)
      // All keys of an event were claimed in the transaction that wrote it.
      #expect(
        try await transactions(stage, "auth_event_key WHERE event_id IN (SELECT event_id FROM registry.auth_event)")
          == 2)
      try await ConvergenceTests.expectWholeChangeLog(stage)
    }
  }

  @Test func severalEventsOfOneConnectionLeaveAWholeChangeLog() async throws {
    try await withStage(StageSettings(lanes: 1)) { stage in
      let t = Int64(Date().timeIntervalSince1970) - 10
      let events = [
        Payload.auth("u1"), Payload.event("connection_error", user: "u1"), Payload.auth("u1"),
        Payload.event("access_revoked", user: "u1"), Payload.deauth("u1"),
      ]
      let answers = try await together(
        [stage], deliveries(stage, events.enumerated().map { Delivery($1, t: t + Int64($0)) }).shuffled())
      #expect(try answers.allSatisfy { try $0.get() == .accepted })
      #expect(try await transactions(stage, "auth_event") == 1)
      let status = try await stage.status("u1")
      #expect(status == .deauthenticated)
      try await ConvergenceTests.expectWholeChangeLog(stage)
    }
  }

  @Test func tenantsShareATransactionAndSeeOnlyTheirOwn() async throws {
    let slugs = ["acme", "globex", "initech"]
    try await withStage(StageSettings(slugs: slugs, lanes: 1)) { stage in
      // The same ids in each, so that only the tenant tells the rows apart.
      let calls = (0..<30).map { number -> @Sendable () async throws -> WebhookAnswer.Disposition in
        let slug = slugs[number % 3]
        return { try await stage.deliver(Payload.auth("u\(number / 3)", reference: "of-\(slug)"), tenant: slug) }
      }
      let answers = try await together([stage], calls)
      #expect(try answers.allSatisfy { try $0.get() == .accepted })
      #expect(try await transactions(stage, "auth_event") == 1)
      // Read at once as well, on the lane for reads.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<90 {
          group.addTask {
            let slug = slugs[number % 3]
            let found = try await stage.registry.connections.list(tenant: slug, referenceID: "of-\(slug)")
            #expect(found.count == 10)
            let others = try await stage.registry.connections.list(
              tenant: slug, referenceID: "of-\(slugs[(number + 1) % 3])")
            #expect(others.isEmpty)
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func oneThatFailsTakesNobodyWithIt() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"], lanes: 1)) { stage in
      let database = stage.registry.database
      let (acme, globex) = (TenantID.of(slug: "acme"), TenantID.of(slug: "globex"))
      var calls = (0..<10).map { number -> @Sendable () async throws -> Int in
        return { try await stage.deliver(Payload.auth("u\(number)")) == .accepted ? 1 : 0 }
      }
      // In the middle by its key: it writes another tenant's row, which row-level security refuses.
      calls.insert(
        {
          let result = try await database.run(
            acme, locking: ["u5"],
            RegistryStatements.appUserInsert(.uuid(globex), .textArray(["stolen"]), .bytesArray([])))
          return result.affectedRows
        }, at: 5)
      let answers = try await together([stage], calls)
      for (number, answer) in answers.enumerated() {
        if number == 5 {
          #expect(throws: (any Error).self) { try answer.get() }
        } else {
          #expect(try answer.get() == 1)
        }
      }
      #expect(try await stage.count("auth_event") == 10)
      #expect(try await stage.count("app_user WHERE reference_id = 'stolen'") == 0)
      try await ConvergenceTests.expectWholeChangeLog(stage)
    }
  }

  @Test func aReloadBesideItsFirstLoadIsOneClaim() async throws {
    try await withStage(StageSettings(lanes: 1)) { stage in
      let session = try await stage.open("FITBIT")
      let query = "user_id=\(session.session.userID ?? "")"
      let calls = (0..<4).map { _ -> @Sendable () async throws -> CallbackAnswer in
        { try await stage.visit(session.token, query) }
      }
      let answers = try await together([stage], calls).map { try $0.get() }
      #expect(Set(answers).count == 1)
      #expect(try await stage.count("redirect_callback") == 1)
    }
  }

  /// Two registries on one database are two replicas.
  @Test func replicasThatMeetAtManyConnectionsDoNotDeadlock() async throws {
    let seed = TestSeed.take("replicasThatMeetAtManyConnectionsDoNotDeadlock")
    try await withStage(StageSettings(lanes: 1)) { stage in
      try await withReplica(of: stage) { replica in
        var random = SeededGenerator(seed: seed)
        let t = Int64(Date().timeIntervalSince1970) - 1_000
        for round in 0..<8 {
          let calls = [stage, replica].enumerated().flatMap { which, stage in
            (0..<60).shuffled(using: &random).map { user -> @Sendable () async throws -> WebhookAnswer.Disposition in
              let delivery = Delivery(
                Payload.event("connection_error", user: "u\(user)", reference: nil), t: t + Int64(2 * round + which))
              return { try await stage.deliver(delivery) }
            }
          }
          let answers = try await together([stage, replica], calls)
          #expect(try answers.allSatisfy { try $0.get() == .accepted })
          // Nothing was repeated: each replica needed one transaction.
          #expect(try await transactions(stage, "auth_event") == 2 * (round + 1))
        }
        try await ConvergenceTests.expectWholeChangeLog(stage)
      }
    }
  }

  /// Each new app user connects two wearables at once, and the connections stand in opposite orders.
  @Test func newAppUsersMetInOppositeOrdersDoNotDeadlock() async throws {
    try await withStage(StageSettings(lanes: 2)) { stage in
      let count = 120
      for round in 0..<4 {
        try await withThrowingTaskGroup(of: WebhookAnswer.Disposition.self) { group in
          for person in 0..<count {
            let reference = "person-\(round)-\(person)"
            for user in ["a-\(round)-\(person + 100)", "b-\(round)-\(100 + count - person)"] {
              group.addTask { try await stage.deliver(Payload.auth(user, reference: reference)) }
            }
          }
          for try await answer in group { #expect(answer == .accepted) }
        }
      }
      let deadlocks = try await stage.texts(
        "SELECT deadlocks::text FROM pg_stat_database WHERE datname = current_database()")
      #expect(deadlocks == ["0"])
      #expect(try await stage.count("app_user") == 4 * count)
      try await ConvergenceTests.expectWholeChangeLog(stage)
    }
  }
}

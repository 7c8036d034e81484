@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase
import TestReceiver
import Testing

/// Terra's table `terra_users`, copied by the schedule.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct TerraUsersScheduleTests {
  /// A source that a run cannot copy from.
  enum Fault: CaseIterable {
    case unreachable, withoutTable, sealedOtherwise, missing
  }

  private static let rows = "INSERT INTO terra_users (user_id, provider, state) VALUES ('new', 'OURA', 'active')"

  /// Stores how the table is reached; the listing and the copy are due every hour.
  @discardableResult
  private static func set(_ stage: Stage, _ source: TerraUsersSource) async throws -> Tenant {
    var change = TenantChange()
    change.providerEvery = .seconds(3_600)
    change.terraUsers = source
    return try await stage.registry.tenants.update("acme", change)
  }

  private static func scheduled(_ stage: Stage) async throws -> ReconciliationRun {
    var runs: [ReconciliationRun] = []
    try await stage.registry.reconciliations.runAll(isScheduled: true) { runs.append($0) }
    return try #require(runs.count == 1 ? runs.first : nil)
  }

  private static func copies(_ stage: Stage) async throws -> Int {
    try await stage.count("provider_listing WHERE outcome = 'copied'")
  }

  @Test func aScheduledRunCopiesItWhereItIsSetAndDue() async throws {
    try await TerraUsersTests.with([TerraUsersTests.supabase, Self.rows]) { url in
      try await withStage { stage in
        #expect(try await Self.scheduled(stage).outcome == .complete)
        #expect(try await Self.copies(stage) == 0)
        let tenant = try await Self.set(stage, .database(url))
        #expect(tenant.copiesTerraUsers && !"\(tenant)".contains(url))
        let sealed = try await stage.texts(
          "SELECT encode(sealed, 'escape') FROM registry.tenant_secret WHERE purpose = 'terra_users_url'")
        #expect(sealed.count == 1 && !sealed[0].contains(url))
        _ = try await stage.registry.reconciliations.run(tenant: "acme", asksProvider: true)
        #expect(try await Self.copies(stage) == 0, "who runs by hand says what is read")
        #expect(try await Self.scheduled(stage).outcome == .complete)
        #expect(try await Self.copies(stage) == 1)
        // Not again before it is due; what it shows is a finding once the grace is over.
        try await stage.letPassWithListings(seconds: 1_300)
        #expect(try await Self.scheduled(stage).foundNew == 1)
        #expect(try await stage.openFindings().map(\.subject.id) == ["new"])
        #expect(try await Self.copies(stage) == 1)
        try await stage.letPassWithListings(seconds: 2_400)
        #expect(try await Self.scheduled(stage).outcome == .complete)
        #expect(try await Self.copies(stage) == 2)
        #expect(try await !Self.set(stage, .nowhere).copiesTerraUsers)
        try await stage.letPassWithListings(seconds: 3_700)
        #expect(try await Self.scheduled(stage).outcome == .complete)
        #expect(try await Self.copies(stage) == 2)
      }
    }
  }

  @Test(arguments: Fault.allCases) func whatCannotBeCopiedIsARemarkAndStaysDue(fault: Fault) async throws {
    try await TerraUsersTests.with(fault == .withoutTable ? [] : [TerraUsersTests.supabase, Self.rows]) { url in
      try await withStage { stage in
        let away = "postgres://reader:hunter2@127.0.0.1:1/terra?connect_timeout=2"
        try await Self.set(stage, .database(fault == .unreachable ? away : url))
        if fault == .missing {
          try await stage.owner.execute("DELETE FROM registry.tenant_secret WHERE purpose = 'terra_users_url'")
        } else if fault == .sealedOtherwise {
          try await stage.owner.execute(
            "UPDATE registry.tenant_secret SET sealed = $1 WHERE purpose = 'terra_users_url'",
            [
              .bytes(
                try MasterKeyRing(MasterKeyRing.newKey()).seal(
                  Array(url.utf8), tenantID: TenantID.of(slug: "acme"), purpose: .terraUsersURL))
            ])
        }
        stage.registry.connections.directory.forget("acme")
        try await stage.visit("unknown-token", "user_id=u9")
        let run = try await Self.scheduled(stage)
        #expect(run.outcome == .partial && run.provider == "complete" && run.error == nil, "\(run)")
        #expect(run.foundNew == 1, "what is recorded is compared")
        let why =
          switch fault {
          case .unreachable: "its database cannot be reached"
          case .withoutTable: "(SQLSTATE 42P01 undefined_table)"
          case .sealedOtherwise: "a sealed terra_users_url cannot be opened"
          case .missing: "no terra_users_url is stored"
          }
        let remark = try #require(
          run.remarks.filter { $0.hasPrefix("terra_users was not copied, and stays due") }.first)
        #expect(
          remark.contains(why) && remark.contains("`registry tenant update acme --terra-users-url-file FILE`"),
          "\(remark)")
        for word in ["hunter2", "127.0.0.1", "reader", url] { #expect(!remark.contains(word), "\(remark)") }
        #expect(try await stage.texts("SELECT terra_users_at::text FROM registry.reconciliation_state") == ["null"])
        #expect(try await Self.copies(stage) == 0)
        // What the remark says mends it, without waiting for the next time.
        guard fault != .withoutTable else { return }
        try await Self.set(stage, .database(url))
        #expect(try await Self.scheduled(stage).outcome == .complete)
        #expect(try await Self.copies(stage) == 1)
      }
    }
  }

  /// What the other database does in the middle of a copy.
  enum Stall: CaseIterable {
    /// It takes the connection and says nothing.
    case silent
    /// Somebody else holds the table.
    case locked
    /// It ends the session after the last row.
    case lostAtTheEnd
  }

  @Test(arguments: Stall.allCases) func aDatabaseThatStallsOrFailsInTheMiddleIsARemark(stall: Stall) async throws {
    try await TerraUsersTests.with([TerraUsersTests.supabase, Self.rows]) { url in
      try await withStage { stage in
        try await stage.visit("unknown-token", "user_id=u9")
        switch stall {
        case .silent:
          try await Receiver.with({ _ in .hang }) { silent in
            try await Self.set(stage, .database("postgres://reader:hunter2@127.0.0.1:\(silent.port)/terra"))
            try await Self.expectRemark(stage, "its database")
          }
          try await Self.set(stage, .database(url))
        case .locked:
          try await Self.set(stage, .database(url))
          try await PostgresPool.withPool(.patient(url), logger: stage.registry.logger) { other in
            try await other.withTransaction { transaction in
              _ = try await transaction.execute("LOCK TABLE terra_users IN ACCESS EXCLUSIVE MODE")
              try await Self.expectRemark(stage, "its database took longer than 1 s")
            }
          }
        case .lostAtTheEnd:
          try await Self.set(stage, .database(url))
          try await Self.endSessions(of: url, stage)
          try await Self.expectRemark(stage, "its database")
          try await stage.owner.execute("DROP FUNCTION public.end_sessions CASCADE")
        }
        #expect(try await Self.scheduled(stage).outcome == .complete)
        #expect(try await Self.copies(stage) == 1)
      }
    }
  }

  /// Rows that the registry cannot keep are its own failure, whatever becomes of the other session.
  @Test func whatCannotBeKeptFailsTheRun() async throws {
    try await TerraUsersTests.with([TerraUsersTests.supabase, Self.rows]) { url in
      try await withStage { stage in
        try await Self.set(stage, .database(url))
        try await Self.endSessions(of: url, stage, then: "RAISE EXCEPTION 'nothing is kept';")
        let run = try await Self.scheduled(stage)
        #expect(run.outcome == .failed && run.error?.contains("P0001") == true, "\(run)")
        #expect(!run.remarks.contains { $0.hasPrefix("terra_users") }, "\(run)")
      }
    }
  }

  /// Ends the sessions of the other database as soon as a row of it is written, and waits until they are gone.
  private static func endSessions(of url: String, _ stage: Stage, then: String = "") async throws {
    let name = try #require(url.split(separator: "dbname=").last)
    try await stage.owner.execute(
      """
      CREATE FUNCTION public.end_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
      BEGIN
        PERFORM pg_terminate_backend(a.pid, 60000) FROM pg_stat_activity a WHERE a.datname = '\(name)';
        \(then)
        RETURN NULL;
      END $$
      """)
    try await stage.owner.execute(
      """
      CREATE TRIGGER end_sessions AFTER INSERT ON registry.provider_listing_user EXECUTE FUNCTION public.end_sessions()
      """)
  }

  /// A run that cannot copy is partial, and compares what is recorded all the same.
  private static func expectRemark(_ stage: Stage, _ why: String) async throws {
    var reconciliations = stage.registry.reconciliations
    reconciliations.limits.terraUsers = .seconds(1)
    var runs: [ReconciliationRun] = []
    try await reconciliations.runAll(isScheduled: true) { runs.append($0) }
    let run = try #require(runs.count == 1 ? runs.first : nil)
    #expect(run.outcome == .partial && run.error == nil && run.foundNew == 1, "\(run)")
    let remark = try #require(
      run.remarks.filter { $0.hasPrefix("terra_users was not copied, and stays due") }.first)
    #expect(remark.contains(why), "\(remark)")
    for word in ["hunter2", "127.0.0.1", "reader"] { #expect(!remark.contains(word), "\(remark)") }
    #expect(try await stage.texts("SELECT terra_users_at::text FROM registry.reconciliation_state") == ["null"])
    #expect(try await copies(stage) == 0)
  }

  @Test(arguments: ["", "host=a\nhost=b", String(repeating: "x", count: 4_097)])
  func whatCannotBeAConnectionStringIsRefused(text: String) async throws {
    try await withStage { stage in
      let error = await expectError(.invalidRequest) { try await Self.set(stage, .database(text)) }
      #expect(error?.field == "terra_users")
      let stored = try await stage.count("tenant_secret WHERE purpose = 'terra_users_url'")
      #expect(stored == 0)
    }
  }

  /// A process that dies after any statement leaves no half copy that counts: another copies anew and ends the run.
  @Test func killedAtAnyStatementACopyIsMadeAnew() async throws {
    try await TerraUsersTests.with([TerraUsersTests.supabase, Self.rows]) { url in
      try await withStage { stage in
        try await Self.set(stage, .database(url))
        let now = Date()
        var statements = 0
        var kills = 0.0
        while true {
          try await stage.owner.execute("UPDATE registry.reconciliation_state SET terra_users_at = NULL")
          let victim = KilledRunTests.mortal(stage, statements: statements, at: now + kills * 4_000)
          do { try await Self.work(victim.reconciliations) } catch {}
          if victim.life.done < statements { break }
          kills += 1
          try await Self.work(
            KilledRunTests.mortal(stage, statements: .max, at: now + kills * 4_000 - 2_000).reconciliations)
          let left = try await stage.texts(
            """
            SELECT concat_ws(' ', r.outcome, r.terra_users, s.terra_users_at IS NOT NULL, s.lease_id IS NULL, (
                SELECT count(*) FROM registry.provider_listing l WHERE l.outcome = 'copying'), (
                SELECT string_agg(u.user_id, ',') FROM registry.provider_listing_user u))
            FROM registry.reconciliation_state s, registry.reconciliation_run r WHERE r.copies_terra_users ORDER BY r.started_at DESC LIMIT 1
            """)
          #expect(left == ["complete complete t t 0 new"], "killed after statement \(statements)")
          statements += 1
        }
        #expect(kills > 30)
      }
    }
  }

  /// One run as the schedule makes it.
  private static func work(_ reconciliations: Reconciliations) async throws {
    var work = try #require(try await reconciliations.claim(TenantID.of(slug: "acme"), scope: .scheduled))
    while try await work.step() == nil {}
  }
}

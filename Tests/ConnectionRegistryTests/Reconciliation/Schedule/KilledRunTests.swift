@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// A run that is killed at any statement and gone on with leaves what an undisturbed run leaves.
@Suite(.migratedDatabase) struct KilledRunTests {
  private static let isWhole = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"

  /// Everything that a run writes, but for ids that are drawn and times.
  private static let dumps = [
    """
    SELECT concat_ws(' ', 'state', run_id IS NULL, lease_id IS NULL, lease_until IS NULL, due_at IS NULL, missed,
      standing_family, standing_subject,
      watermark = (SELECT max(window_end) FROM registry.reconciliation_run WHERE outcome = 'complete'))
    FROM registry.reconciliation_state ORDER BY 1
    """,
    """
    SELECT concat_ws(' ', 'run', row_number() OVER (ORDER BY started_at), outcome, window_start IS NULL,
      collected_to = window_end, examined, found_new, persisting, resolved, missed, error)
    FROM registry.reconciliation_run ORDER BY started_at
    """,
    """
    SELECT concat_ws(' ', 'finding', f.finding_id, f.kind, f.subject, f.status, f.reason_code, f.evidence, f.times_opened,
      f.announced_status, f.change_sequence, o.rank, l.rank, r.rank)
    FROM registry.finding f
    LEFT JOIN ranked o ON o.run_id = f.opened_run
    LEFT JOIN ranked l ON l.run_id = f.last_seen_run
    LEFT JOIN ranked r ON r.run_id = f.resolved_run ORDER BY 1
    """,
    """
    SELECT concat_ws(' ', 'change', c.finding_id, c.sequence, c.from_status, c.to_status, c.made_by, r.rank)
    FROM registry.finding_change c LEFT JOIN ranked r ON r.run_id = c.run_id ORDER BY 1
    """,
    "SELECT concat_ws(' ', 'subject', family, subject) FROM registry.reconciliation_subject ORDER BY 1",
    "SELECT concat_ws(' ', 'delivery', delivery_id, type, finding_id, sequence) FROM registry.delivery ORDER BY 1",
  ]
  private static let tables = [
    "reconciliation_state", "reconciliation_run", "reconciliation_subject", "finding", "finding_change",
  ]

  private static func dump(_ stage: Stage, countsExamined: Bool = true) async throws -> [String] {
    var lines: [String] = []
    for text in dumps {
      lines += try await stage.texts(
        "WITH ranked AS (SELECT run_id, rank() OVER (ORDER BY started_at) AS rank FROM registry.reconciliation_run) "
          + (countsExamined ? text : text.replacingOccurrences(of: " examined,", with: "")))
    }
    return lines
  }

  private static func keep(_ stage: Stage) async throws {
    for table in tables { try await stage.owner.execute("CREATE TABLE public.\(table) AS TABLE registry.\(table)") }
  }

  private static func restore(_ stage: Stage) async throws {
    var statements = tables.reversed().map { PostgresStatement("DELETE FROM registry.\($0)") }
    statements.append(PostgresStatement("DELETE FROM registry.delivery"))
    for table in tables {
      // What is computed cannot be written.
      let columns = try await stage.texts(
        """
        SELECT string_agg(a.attname, ', ') FROM pg_attribute a
        WHERE a.attrelid = ('registry.' || $1)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        """, [.text(table)])[0]
      statements.append(
        PostgresStatement("INSERT INTO registry.\(table) (\(columns)) SELECT \(columns) FROM public.\(table)"))
    }
    _ = try await stage.owner.execute(PostgresBatch(statements: statements))
  }

  /// The comparisons of a process that lives for so many statements.
  static func mortal(
    _ stage: Stage, statements: Int, at now: Date, limits: RunLimits = RunLimits()
  ) -> (reconciliations: Reconciliations, life: MortalExecutor.Life) {
    let life = MortalExecutor.Life(statements)
    var reconciliations = stage.registry.reconciliations
    let database = RegistryDatabase(
      service: MortalExecutor(pool: stage.registry.servicePool, life: life), lanes: nil,
      worker: MortalExecutor(pool: stage.registry.workerPool, life: life), logger: reconciliations.logger)
    reconciliations = Reconciliations(
      database: database, directory: reconciliations.directory, timing: reconciliations.timing,
      every: reconciliations.every, clock: ScheduleClock(now: { now }), logger: reconciliations.logger,
      questionsPerSecond: 1_000, limits: limits)
    return (reconciliations, life)
  }

  /// Facts of every family, some of which a first run has seen.
  private static func facts(_ stage: Stage) async throws {
    let sessions = [try await stage.open("FITBIT"), try await stage.open("OURA", reference: "person-2")]
    try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
    try await stage.expect(Payload.auth("u2", reference: "a"), .accepted)
    try await stage.expect(Payload.auth("theirs", reference: "x"), .accepted, tenant: "other")
    try await stage.visit(sessions[0].token, "user_id=theirs")
    try await stage.letPass(seconds: 5_000)
    let first = try await stage.reconcile()
    #expect(first.count >= 3)
    for finding in try await stage.allFindings() where finding.kind == .unattributed {
      _ = try await stage.registry.findings.acknowledge(
        tenant: "acme", id: finding.id, by: "ann", reason: "known", until: Date() + 3_600)
    }
    try await stage.expect(Payload.auth("u2", reference: "b"), .accepted)
    try await stage.expect(Payload.auth("u3", reference: "a", resource: "FITBIT"), .accepted)
    try await stage.expect(Payload.auth("u4", reference: "a", resource: "FITBIT"), .accepted)
    try await stage.expect(Delivery(Payload.auth("u5"), at: -60 * 3_600), .quarantined)
    try await stage.expect(Delivery(Payload.auth(sessions[1].session.userID ?? ""), at: -100), .accepted)
    try await stage.visit("unknown-token", "user_id=u9")
    try await stage.letPass(seconds: 4_000)
  }

  /// Of a run that is due so long three are missed, now and when the lease is over.
  private static func missThree(_ stage: Stage, at now: Date) async throws {
    try await stage.owner.execute("UPDATE registry.reconciliation_state SET due_at = $1", [.timestamp(now - 2_800)])
  }

  /// Also where what stands takes its turns.
  @Test(.timeLimit(.minutes(20)), arguments: [RunLimits(), RunLimits(standing: 2)])
  func killedAtAnyStatementARunIsRepeatedWithoutATrace(limits: RunLimits) async throws {
    let settings = DeliveryConfiguration.forTests { $0.areSent = false }
    try await withStage(.delivering(settings, slugs: ["acme", "other"])) { stage in
      try await Self.facts(stage)
      let now = Date()
      try await Self.missThree(stage, at: now)
      _ = try await stage.registry.endpoints.add(
        tenant: "acme",
        NewEndpoint(url: "https://127.0.0.1:1/", findingTypes: Set(FindingTransitionType.allCases)))
      try await Self.keep(stage)
      let undisturbed = Self.mortal(stage, statements: .max, at: now, limits: limits)
      let run = try await undisturbed.reconciliations.run(tenant: "acme")
      #expect(run.foundNew >= 4 && run.resolved >= 1 && run.persisting >= 1, "\(run)")
      let expected = try await Self.dump(stage)
      let count = undisturbed.life.done
      #expect(count > 60)
      let place = try await stage.texts("SELECT standing_subject FROM registry.reconciliation_state")
      #expect((Set(place) == ["null"]) == (limits == RunLimits()), "what stands is not parted: \(place)")
      let told = try await stage.texts("SELECT DISTINCT type FROM registry.delivery ORDER BY 1")
      #expect(told == ["finding.escalated", "finding.opened", "finding.resolved"], "the run tells of too little")
      for statements in 0...count {
        try await Self.restore(stage)
        let victim = Self.mortal(stage, statements: statements, at: now, limits: limits)
        await #expect(throws: (any Error).self) { _ = try await victim.reconciliations.run(tenant: "acme") }
        try await Self.inherit(stage, at: now, limits: limits)
        let state = try await Self.dump(stage)
        #expect(state == expected, "killed after statement \(statements)")
      }
      print("killed at each of \(count) statements")
    }
  }

  /// Another process goes on, once the lease of the one that was killed is over.
  private static func inherit(_ stage: Stage, at now: Date, limits: RunLimits, isFull: Bool = false) async throws {
    // While its lease lasts it may only be slow; a statement that never came has taken no place.
    let held = try await stage.texts("SELECT 1 FROM registry.reconciliation_state WHERE lease_id IS NOT NULL")
    if !held.isEmpty {
      let early = mortal(stage, statements: .max, at: now + 119)
      await expectError(.alreadyRunning) { _ = try await early.reconciliations.run(tenant: "acme") }
    }
    let complete = try await stage.texts("SELECT 1 FROM registry.reconciliation_run WHERE outcome = 'complete'")
    guard complete.count < 2 else { return }
    // One that has begun is gone on with as it is: whoever asks for a full one gets another after it.
    let begun = try await stage.texts("SELECT 1 FROM registry.reconciliation_run WHERE outcome = 'running'")
    let heir = mortal(stage, statements: .max, at: now + 121, limits: limits)
    _ = try await heir.reconciliations.run(tenant: "acme", isFull: isFull && begun.isEmpty)
  }

  /// A run over everything, whose windows are screened side by side and whose indexes are gone through part by part.
  @Test(.timeLimit(.minutes(20))) func killedAtAnyStatementARunOverEverythingIsRepeatedWithoutATrace() async throws {
    let settings = DeliveryConfiguration.forTests { $0.areSent = false }
    try await withStage(.delivering(settings, slugs: ["acme", "other"])) { stage in
      try await Self.facts(stage)
      // A history of several stretches.
      try await stage.letPass(seconds: 60_000)
      let now = Date()
      try await Self.missThree(stage, at: now)
      _ = try await stage.registry.endpoints.add(
        tenant: "acme",
        NewEndpoint(url: "https://127.0.0.1:1/", findingTypes: Set(FindingTransitionType.allCases)))
      let limits = RunLimits(screening: .seconds(54), indexPart: 2)
      for text in BrokenOffTests.Excess.indexes.statements(limits) {
        try await stage.owner.execute(PostgresStatement(text))
      }
      try await Self.keep(stage)
      let undisturbed = Self.mortal(stage, statements: .max, at: now, limits: limits)
      let run = try await undisturbed.reconciliations.run(tenant: "acme", isFull: true)
      #expect(run.windowStart == nil && run.foundNew >= 4 && run.resolved >= 1, "\(run)")
      #expect(try await stage.texts("SELECT is_called::text FROM public.broken_off") == ["true"], "nothing is parted")
      // Whoever takes it over goes through the indexes again, and examines some twice.
      let expected = try await Self.dump(stage, countsExamined: false)
      let count = undisturbed.life.done
      #expect(count > 100)
      var kills = 0
      for statements in stride(from: 0, through: count, by: Self.isWhole ? 1 : 12) {
        try await Self.restore(stage)
        let victim = Self.mortal(stage, statements: statements, at: now, limits: limits)
        // What goes side by side is broken off sooner or later: the last ones may live.
        do {
          _ = try await victim.reconciliations.run(tenant: "acme", isFull: true)
        } catch {
          kills += 1
        }
        try await Self.inherit(stage, at: now, limits: limits, isFull: true)
        let state = try await Self.dump(stage, countsExamined: false)
        #expect(state == expected, "killed after statement \(statements)")
      }
      #expect(kills > count / (Self.isWhole ? 2 : 24))
      print("a run over everything of \(count) statements, killed at \(kills) of them")
    }
  }
}

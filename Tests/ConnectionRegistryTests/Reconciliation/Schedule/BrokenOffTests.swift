@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// What takes too long for one statement is done in parts, and comes to its end however short the slices are: whoever begins
/// the next one does not know what took too long in the last.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct BrokenOffTests {
  /// What the server breaks off.
  enum Excess: CaseIterable {
    /// Each index as a whole.
    case indexes
    /// To collect more than some.
    case facts
    /// To judge more than some.
    case subjects

    /// Whether it is met by a run over everything.
    var isOverEverything: Bool { self == .indexes }

    /// Breaks it off as a time limit does; a statement without the limit is let through.
    func statements(_ limits: RunLimits) -> [String] {
      let step = Int(ReconciliationWork.statementLimit.inSeconds)
      let (event, transition, condition) =
        switch self {
        case .indexes:
          (
            "BEFORE INSERT", "",
            """
            current_setting('statement_timeout') = '\(Int(limits.screening.inSeconds))s'
              AND current_query() NOT LIKE '%stretch%'
            """
          )
        case .facts:
          (
            "AFTER INSERT", "REFERENCING NEW TABLE AS taken",
            "current_setting('statement_timeout') = '\(step)s' AND (SELECT count(*) FROM taken) > 25"
          )
        case .subjects:
          (
            "AFTER DELETE", "REFERENCING OLD TABLE AS taken",
            "current_setting('statement_timeout') = '\(step)s' AND (SELECT count(*) FROM taken) > 40"
          )
        }
      return [
        "CREATE SEQUENCE public.broken_off",
        "GRANT ALL ON SEQUENCE public.broken_off TO PUBLIC",
        """
        CREATE FUNCTION public.break_off() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF \(condition) THEN
            PERFORM nextval('public.broken_off');
            RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled';
          END IF;
          RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER break_off \(event) ON registry.reconciliation_subject \(transition)
        EXECUTE FUNCTION public.break_off()
        """,
      ]
    }
  }

  @Test(arguments: Excess.allCases) func whatIsBrokenOffIsDoneInPartsAndComesToItsEnd(excess: Excess) async throws {
    let seed = TestSeed.take()
    try await withStage { stage in
      let origin = Date().addingTimeInterval(-9 * 86_400)
      try await stage.replace(with: RandomFacts(seed: seed, origin: origin))
      var reconciliations = stage.registry.reconciliations
      reconciliations.limits.screening = .seconds(54)
      reconciliations.limits.indexPart = 20
      let watermark = excess.isOverEverything ? nil : origin.ISO8601Format()
      try await stage.forget(watermark: watermark)
      _ = try await reconciliations.run(tenant: "acme")
      let expected = try await stage.standing()
      for text in excess.statements(reconciliations.limits) { try await stage.owner.execute(PostgresStatement(text)) }

      try await stage.forget(watermark: watermark)
      #expect(try await reconciliations.run(tenant: "acme").outcome == .complete)
      #expect(try await stage.standing() == expected)

      // The same in slices of one step each.
      try await stage.forget(watermark: watermark)
      try await stage.owner.execute("UPDATE registry.reconciliation_state SET place_at = now() - interval '1 hour'")
      var scheduler = ReconciliationScheduler(
        reconciliations: reconciliations, schedule: reconciliations.schedule(.every(900)),
        logger: Logger(label: "test"), scope: .local)
      scheduler.sliceBudget = .zero
      let slices = NIOLockedValueBox<[ReconciliationScheduler.Slice]>([])
      scheduler.observe = { slice in slices.withLockedValue { $0.append(slice) } }
      while try await scheduler.turn() == nil, slices.withLockedValue({ $0.count }) < 300 {}
      let all = slices.withLockedValue { $0 }
      #expect(all.count > 3 && all.last?.run?.outcome == .complete, "not at its end after \(all.count) slices")
      #expect(try await stage.standing() == expected)
      let times = try #require(Int(try await stage.texts("SELECT last_value::text FROM public.broken_off")[0]))
      #expect(times > 1)
    }
  }
}

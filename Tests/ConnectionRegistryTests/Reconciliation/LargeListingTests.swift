#if os(Linux)
  @testable import ConnectionRegistry
  import Foundation
  import NIOConcurrencyHelpers
  import RegistryModel
  import RegistryPostgres
  import TestDatabase
  import Testing

  /// A listing of many users, most of whom the registry holds as live, in a process of its own, where no other test takes
  /// memory.
  @Suite(.migratedDatabase) struct LargeListingTests {
    /// By how much the peak of resident memory may grow over all runs, however large the listing is: 48 MiB.
    private static let memoryLimit = 48 << 20

    private static var sizes: [Int] {
      ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1" ? [20_000, 1_000_000] : [20_000]
    }

    @Test(.timeLimit(.minutes(30)), arguments: sizes)
    func onlyWhatDiffersIsFoundInConstantMemory(users: Int) async throws {
      let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
        [users = users as Int, database = TestDatabase.current as String] in
        do {
          try await TestDatabase.$current.withValue(database) { try await LargeListingTests.compare(users) }
        } catch {
          // What is thrown here ends the process without a word.
          Issue.record(error)
        }
      }
      print(String(decoding: result?.standardOutputContent ?? [], as: UTF8.self))
    }

    /// What of the listing's users the registry holds otherwise.
    private struct Planted: Sendable {
      let unknown: [Int]
      let ended: Int
      let renamed: Int
      let inactive: Int
      let gone = ["gone-1", "u0000005x"]

      init(_ users: Int) {
        unknown = [17, users / 2, users - 1]
        (ended, renamed, inactive) = (29, 23, users / 2 + 1)
      }

      var expected: Set<String> {
        var lines = unknown.map { "missing_locally unknown_here \(GeneratedTerra.id($0))" }
        lines.append("missing_locally ended_here \(GeneratedTerra.id(ended))")
        lines.append("status_drift another_reference_id_at_provider \(GeneratedTerra.id(renamed))")
        lines.append("status_drift inactive_at_provider \(GeneratedTerra.id(inactive))")
        return Set(lines)
      }
    }

    private static func compare(_ users: Int) async throws {
      // Grace is over at once, so that no time need pass.
      try await withStage(StageSettings(grace: .milliseconds(1))) { stage in
        let planted = Planted(users)
        try await fill(stage, users, planted)
        let memory = NIOLockedValueBox<ResidentMemory?>(nil)
        var terra = GeneratedTerra(users: users)
        terra.page = { number, numbers in
          // The first pages are for what is needed once: code, caches, buffers.
          if number == 20 { memory.withLockedValue { if $0 == nil { $0 = try? ResidentMemory() } } }
          return numbers.map { GeneratedTerra.user($0, isActive: $0 != planted.inactive) }
        }
        try await stage.asking(terra) {
          let clock = ContinuousClock()
          for pass in 1...2 {
            let begun = clock.now
            let run = try await stage.provide(repair: .none)
            print("\(users) users, pass \(pass): \((clock.now - begun).inSeconds) s, \(run.foundNew) new")
            #expect(run.outcome == .complete && run.provider == "complete", "\(run)")
            // Absence counts from the second listing on.
            #expect(run.remarks.count == (pass == 1 ? 1 : 0), "\(run.remarks)")
            let found = try await stage.openFindings().map { "\($0.kind.rawValue) \($0.reasonCode) \($0.subject.id)" }
            let absent = pass == 1 ? [] : planted.gone.map { "missing_at_provider absent_in_two_listings \($0)" }
            #expect(Set(found) == planted.expected.union(absent) && found.count == Set(found).count, "\(found)")
          }
          let safe = try await stage.registry.reconciliations.run(tenant: "acme", repair: .safe)
          #expect(safe.outcome == .complete && safe.repaired == 6, "\(safe)")
        }
        let ended = try await stage.texts(
          "SELECT user_id FROM registry.connection WHERE status NOT IN ('active', 'degraded') ORDER BY 1")
        #expect(ended == planted.gone)
        #expect(try await stage.count("connection") == users + planted.gone.count)
        let read = "provider_listing WHERE outcome = 'complete' AND pages = \((users + 499) / 500)"
        #expect(try await stage.count(read) == 2)
        let growth = try #require(memory.withLockedValue { $0 }).growth()
        print("\(users) users: the peak of resident memory grew by \(growth >> 20) MiB")
        #expect(growth <= memoryLimit, "\(growth >> 20) MiB")
      }
    }

    /// Makes the connections, which a signed event has spoken of a day ago.
    private static func fill(_ stage: Stage, _ users: Int, _ planted: Planted) async throws {
      let unknown = planted.unknown.map(String.init).joined(separator: ",")
      for text in [
        """
        INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id,
          resource_key, resource, created_at, recorded_at, changed_at)
        SELECT t.tenant_id, n.user_id, k.key, k.key, k.key, n.reference_id, k.key, 'FITBIT', k.at, k.at, k.at
        FROM registry.tenant t,
          (VALUES ('0000000000000001:4:a', now() - interval '1 day')) k (key, at),
          (SELECT 'u' || lpad(i::text, 7, '0'), 'p' || i FROM generate_series(0, \(users - 1)) i
           WHERE i NOT IN (\(unknown))
           UNION ALL
           SELECT g, g FROM unnest(ARRAY['\(planted.gone.joined(separator: "','"))']) g) n (user_id, reference_id)
        """,
        """
        UPDATE registry.connection SET revoked_key = '0000000000000002:5:a'
        WHERE user_id = '\(GeneratedTerra.id(planted.ended))'
        """,
        """
        UPDATE registry.connection SET reference_id = 'somebody-else'
        WHERE user_id = '\(GeneratedTerra.id(planted.renamed))'
        """,
        "ANALYZE registry.connection",
      ] {
        _ = try await stage.owner.execute(PostgresStatement(text), deadline: .now + .seconds(300))
      }
    }

    // MARK: - In one answer

    private static func few(_ stage: Stage, _ users: Int) async throws {
      try await fill(stage, users, Planted(users))
    }

    @Test func aListingInOneAnswerIsReadInOnePage() async throws {
      try await withStage(StageSettings(grace: .milliseconds(1))) { stage in
        try await Self.few(stage, 12_000)
        try await stage.asking(GeneratedTerra(users: 12_000, isPaged: false)) {
          let run = try await stage.provide(repair: .none)
          #expect(run.provider == "complete" && run.foundNew == 5, "\(run)")
        }
        let listed = try await stage.count("provider_listing_user")
        #expect(listed == 12_000)
      }
    }

    /// More than an answer may have is no listing: it is given up, and ends nothing.
    @Test func aListingInOneAnswerThatIsTooLargeIsARemark() async throws {
      try await withStage(StageSettings(grace: .milliseconds(1))) { stage in
        try await Self.few(stage, 100)
        let before = try await stage.live()
        try await stage.asking(GeneratedTerra(users: 100, isPaged: false, padding: 64 << 20)) {
          for _ in 1...2 {
            let run = try await stage.provide()
            #expect(run.outcome == .partial && run.provider == "incomplete" && run.foundNew == 0, "\(run)")
            #expect(run.remarks.contains { $0.contains("One answer may have 64 MiB") }, "\(run.remarks)")
          }
        }
        #expect(try await stage.live() == before)
        #expect(try await stage.count("provider_listing WHERE outcome <> 'given_up'") == 0)
        #expect(try await stage.count("provider_listing_user") == 0)
      }
    }
  }
#endif

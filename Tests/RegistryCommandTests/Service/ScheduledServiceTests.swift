import Foundation
import Logging
import RegistryPostgres
import TestDatabase
import Testing

/// The schedule of `registry serve`, in two processes on one database.
@Suite(.timeLimit(.minutes(20))) struct ScheduledServiceTests {
  private static let settings = ["REGISTRY_RECONCILE_EVERY": "1s", "REGISTRY_RECONCILE_PROVIDER_EVERY": "off"]
  private static let tenants = ["acme", "globex", "initech"]

  /// Each run is told of when it begins and when it ends, with the name of the process; and while somebody holds a lock,
  /// the process `one` gets no further in a run that has begun: what it writes where it begins is not held, else nobody
  /// would be told of that.
  private static let instruments = """
    CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'INSERT' OR NEW.outcome <> OLD.outcome THEN
        PERFORM pg_notify(
          'run', concat_ws(' ', current_setting('application_name'), NEW.outcome, NEW.tenant_id, NEW.run_id));
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER tell AFTER INSERT OR UPDATE ON registry.reconciliation_run FOR EACH ROW
    EXECUTE FUNCTION public.tell();
    CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('application_name') = 'one' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER hold BEFORE UPDATE OF examined, outcome ON registry.reconciliation_run FOR EACH ROW EXECUTE FUNCTION public.hold();
    """

  /// What the processes have told of their runs, in the order of the commits.
  private struct News {
    private var lines: AsyncStream<String>.Iterator
    /// The runs that have begun and not ended, with their processes.
    private(set) var underWay: [String: String] = [:]
    /// How many runs of each tenant a process has ended.
    private(set) var ended: [String: [String: Int]] = [:]
    /// How the runs that have ended did, and by whom.
    private(set) var outcomes: [String: String] = [:]

    init(_ lines: AsyncStream<String>) { self.lines = lines.makeAsyncIterator() }

    /// Hears on until something holds.
    mutating func hear(until isEnough: (News, _ line: String) -> Bool) async throws {
      while let line = await lines.next() {
        let words = line.split(separator: " ").map(String.init)
        if words.count == 4 {
          if words[1] == "running" {
            underWay[words[3]] = words[0]
          } else {
            underWay[words[3]] = nil
            ended[words[0], default: [:]][words[2], default: 0] += 1
            outcomes[words[3]] = "\(words[1]) by \(words[0])"
          }
        }
        if isEnough(self, line) { return }
      }
      throw CancellationError()
    }

    /// How many runs of the tenant with the fewest a process has ended.
    func least(of process: String) -> Int {
      guard let counts = ended[process]?.values, counts.count == tenants.count else { return 0 }
      return counts.min() ?? 0
    }
  }

  @Test func goesOnWhenAProcessIsKilledInTheMiddleOfARun() async throws {
    let deployment = try await Deployment.make()
    for slug in Self.tenants.dropFirst() { try await deployment.addTenant(slug) }
    try await deployment.execute(Self.instruments)
    let (lines, heard) = AsyncStream.makeStream(of: String.self)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    try await PostgresPool.withPool(.patient(deployment.database), logger: logger) { owner in
      try await PostgresListener.withListener(.init(deployment.database), logger: logger) { listener in
        let hearing = Task {
          for await element in try listener.notifications(on: "run") {
            switch element {
            case .notification(let notification): heard.yield(notification.payload)
            case .resumed: heard.yield("resumed")
            case .elapsed: break
            }
          }
        }
        defer { hearing.cancel() }
        var news = News(lines)
        try await news.hear { $1 == "resumed" }
        try await Self.loseOne(of: deployment, owner, &news)
      }
    }
    let overlapping = try await deployment.execute(
      """
      SELECT a.run_id, b.run_id FROM registry.reconciliation_run a
      JOIN registry.reconciliation_run b ON b.tenant_id = a.tenant_id AND b.run_id <> a.run_id
      WHERE a.started_at <= b.started_at AND b.started_at <= coalesce(a.finished_at, 'infinity')
      """)
    #expect(overlapping.isEmpty, "two runs of a tenant at once: \(overlapping)")
    #expect(try await deployment.count("registry.reconciliation_run WHERE outcome NOT IN ('complete', 'running')") == 0)
    // Six before one was lost; and the other has then ended at least two of each tenant.
    #expect(try await deployment.count("registry.reconciliation_run") >= 8)
  }

  /// Two processes share the schedule, one of them is killed in the middle of a run, and the other goes on.
  private static func loseOne(of deployment: Deployment, _ owner: PostgresPool, _ news: inout News) async throws {
    func serve(
      _ name: String, isKilled: Bool = false, _ body: (ServiceProcess) async throws -> Void
    ) async throws {
      try await ServiceProcess.with(
        database: deployment.database + " application_name=\(name)", environment: settings, isKilled: isKilled, body)
    }
    try await serve("two") { _ in
      try await owner.withConnection { connection in
        var lost = ""
        try await serve("one", isKilled: true) { one in
          try await news.hear { news, _ in
            news.ended["one"] != nil && news.ended["two"] != nil && news.outcomes.count >= 6
          }
          // When this is held, whatever had passed it is committed.
          try await connection.execute("SELECT pg_advisory_lock(1)")
          try await owner.execute("SELECT pg_notify('run', 'held')")
          var isHeld = false
          try await news.hear { news, line in
            isHeld = isHeld || line == "held"
            guard isHeld, let run = news.underWay.first(where: { $0.value == "one" }) else { return false }
            lost = run.key
            return true
          }
          kill(one.processID, SIGKILL)
        }
        // What the dead one has sent is not done any more.
        try await owner.execute(
          "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'one'")
        try await connection.execute("SELECT pg_advisory_unlock(1)")
        // As if the time were over for which a run without a sign of life is left alone.
        let freed = try await owner.execute(
          """
          UPDATE registry.reconciliation_state SET lease_until = now() - interval '1 second'
          WHERE run_id = $1::text::uuid
          """, [.text(lost)])
        #expect(freed.affectedRows == 1)
        let before = news.least(of: "two")
        try await news.hear { news, _ in news.outcomes[lost] != nil && news.least(of: "two") >= before + 2 }
        #expect(news.outcomes[lost] == "complete by two")
        #expect(!news.underWay.values.contains("one"))
      }
    }
  }
}

import Foundation
import Logging
import RegistryPostgres
import RegistrySQL
import ServiceLifecycle

/// Runs whoever is due, slice by slice: each look at the queue takes the oldest place that nobody holds, works on it for
/// one slice, and puts what is not finished at the back. So a tenant with millions of rows takes its turns like all others,
/// and any number of these, in as many processes, share one queue.
///
/// One compares one tenant at a time, but while that one waits for Terra, or another database, it goes on with the next.
/// What is written of the answers is written beside that.
struct ReconciliationScheduler: Service {
  /// What came of one slice.
  struct Slice: Sendable {
    var place: ReconciliationSchedule.Place
    var runID: UUID
    /// Whether the run began in it.
    var isFirst: Bool
    /// The schedule's time when it began.
    var at: Date
    /// How long it took.
    var duration: Duration
    /// The run, where it is over or put off.
    var run: ReconciliationRun?
  }

  let reconciliations: Reconciliations
  let schedule: ReconciliationSchedule
  let logger: Logger
  /// What the runs do.
  var scope = RunScope.scheduled
  /// Told of each slice after it.
  var observe: @Sendable (Slice) -> Void = { _ in }

  /// When a slice ends that is not finished; what is under way then takes a step's time more.
  var sliceBudget: Duration = .seconds(2)
  /// How many places are read at once: as many as replicas that look at one moment, and some.
  static let lookAhead = 16

  private let way = ScheduleWay()
  private let passedOver = PassedOverPlaces()

  private var clock: ScheduleClock { reconciliations.clock }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        for _ in 0..<reconciliations.tenantsAtOnce { group.addTask { await takeTurns() } }
      }
    }
  }

  /// Works on one tenant after the other, until it is cancelled.
  private func takeTurns() async {
    while !Task.isCancelled {
      do {
        if let wait = try await turn() { try await pause(wait) }
      } catch is CancellationError {
        return
      } catch {
        if Task.isCancelled { return }
        logger.warning("the schedule of reconciliations waits", metadata: ["error": "\(error)"])
        try? await clock.sleep(schedule.idle(until: nil, at: Date(), spread: clock.spread()))
      }
    }
  }

  /// Waits, but no longer than until a run is asked for in this process.
  private func pause(_ wait: Duration) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await clock.sleep(wait) }
      group.addTask { await reconciliations.wake.wait() }
      try await group.next()
      group.cancelAll()
    }
    try Task.checkCancellation()
  }

  /// Works for one slice.
  ///
  /// - Returns: nil after a slice; how long to wait where nobody is due.
  func turn() async throws -> Duration? {
    let (next, wait) = try await onWay {
      let (all, now, next) = try await look(since: nil, besides: passedOver.count)
      let queue = all.filter { !passedOver.contains($0, at: now) }
      let begun = clock.elapsed()
      let (taken, _) = try await take(queue) { place in
        passedOver.add(
          place, from: now.addingTimeInterval((clock.elapsed() - begun).inSeconds), seconds: schedule.lease)
      }
      if let taken { passedOver.remove(taken.place.tenantID) }
      // Where none could be taken, there may be others behind them, for whom somebody else has the way first.
      return (taken, queue.isEmpty ? schedule.idle(until: next, at: now, spread: clock.spread()) : nil)
    }
    guard let next else { return wait }
    _ = try await slice(of: next.work, at: next.place)
    return nil
  }

  /// Takes the way, and keeps it where there is somebody to work on.
  private func onWay(
    _ look: () async throws -> (next: Taken?, wait: Duration?)
  ) async throws -> (next: Taken?, wait: Duration?) {
    try await way.take()
    do {
      let found = try await look()
      if found.next == nil { way.leave() }
      return found
    } catch {
      way.leave()
      throw error
    }
  }

  /// Runs every tenant once that was not begun since this began, and no more, several side by side; what another process
  /// holds is left to it.
  ///
  /// - Parameters:
  ///   - reconciliations: the comparisons.
  ///   - scope: what the runs do.
  ///   - logger: where failed runs are reported.
  ///   - visit: told of each run that this process has ended, also of a failed one, and of one that it has put off, one
  ///     after the other.
  /// - Throws: `database_unavailable`, `CancellationError`, and what `visit` throws.
  static func runAll(
    _ reconciliations: Reconciliations, scope: RunScope, logger: Logger, visit: (ReconciliationRun) async throws -> Void
  ) async throws {
    let start = try await reconciliations.now()
    let scheduler = ReconciliationScheduler(
      reconciliations: reconciliations, schedule: reconciliations.schedule(.once(since: start)), logger: logger,
      scope: scope)
    // Nobody is tried twice, also who could not be begun.
    var given: Set<UUID> = []
    // How many of them the queue may still name.
    var passedOver = 0
    try await withThrowingTaskGroup(of: Slice.self) { group in
      // Whose slice is over, but not yet seen to be, is not taken again.
      var underWay: Set<UUID> = []
      while true {
        try Task.checkCancellation()
        if underWay.count < reconciliations.tenantsAtOnce {
          var refusals: [Refusal] = []
          let (next, wait) = try await scheduler.onWay {
            let queue = try await scheduler.look(since: start, besides: passedOver + underWay.count).queue
              .filter { !given.contains($0.tenantID) && !underWay.contains($0.tenantID) }
            let taken: Taken?
            (taken, refusals) = try await scheduler.take(queue)
            return (taken, queue.isEmpty ? .zero : nil)
          }
          if let next {
            group.addTask { try await scheduler.slice(of: next.work, at: next.place) }
            underWay.insert(next.place.tenantID)
          }
          for refusal in refusals {
            given.insert(refusal.place.tenantID)
            passedOver += 1
            if let run = refusal.run { try await visit(run) }
          }
          if next != nil || wait == nil { continue }
        }
        // Whose slice ends may be due again.
        guard let slice = try await group.next() else { return }
        underWay.remove(slice.place.tenantID)
        guard let run = slice.run else { continue }
        given.insert(slice.place.tenantID)
        if !run.isDone { passedOver += 1 }
        try await visit(run)
      }
    }
  }

  /// Reads the queue, some places further than as many as are left out.
  private func look(
    since: Date?, besides left: Int = 0
  ) async throws -> (queue: [ReconciliationSchedule.Place], now: Date, next: Date?) {
    var period = 0.0
    if case .every(let seconds) = schedule.demand { period = seconds }
    let now = PostgresParameter.timestamp(reconciliations.clock.now())
    let results = try await reconciliations.database.runAcrossTenants([
      RegistryStatements.reconciliationDue(
        now, .double(schedule.lease), .double(period), .timestamp(since), .int(Self.lookAhead + left),
        .bool(schedule.demand == .asked)),
      RegistryStatements.reconciliationNextDue(now),
    ])
    guard results.count == 2, let clock = results[1].rows.first else {
      throw RegistryError(.internalFailure, "PostgreSQL gave no answer about who is due")
    }
    let at = try clock.decode("at", as: Date.self)
    let places = try results[0].rows.map(ReconciliationSchedule.Place.init(row:))
    return (schedule.queue(places, at: at), at, try clock.decodeIfPresent("next_at"))
  }

  private typealias Taken = (place: ReconciliationSchedule.Place, work: ReconciliationWork)
  /// A place that could not be taken, with a run that says why; without one where somebody else has locked it.
  private typealias Refusal = (place: ReconciliationSchedule.Place, run: ReconciliationRun?)

  /// Takes the first place that another was not faster to take, and that can be taken: what is wrong with one tenant holds no
  /// other up.
  ///
  /// - Parameters:
  ///   - queue: the places, the first first.
  ///   - refused: told of each that could not be taken, at once.
  /// - Returns: the place with its run, and those that could not be taken.
  /// - Throws: `database_unavailable`, and what everybody would meet.
  private func take(
    _ queue: [ReconciliationSchedule.Place], refused: (ReconciliationSchedule.Place) -> Void = { _ in }
  ) async throws -> (Taken?, refusals: [Refusal]) {
    var refusals: [Refusal] = []
    for place in queue {
      do {
        let work = try await reconciliations.claim(
          place.tenantID, version: place.version, scope: scope, takesAsked: !schedule.isOnce)
        if let work { return ((place, work), refusals) }
      } catch let error where !Self.isEverybodys(error) {
        logger.warning(
          "a tenant cannot be reconciled",
          metadata: ["tenant": "\(place.slug)", "error": "\(Reconciliations.reason(error))"])
        refused(place)
        let isLocked = if case RegistryError.Code.alreadyRunning = error { true } else { false }
        refusals.append(
          (place, isLocked ? nil : .unwritten(of: place.slug, at: reconciliations.timing.now(), after: error)))
      }
    }
    return (nil, refusals)
  }

  /// Whether an error is nothing that one tenant alone could meet.
  private static func isEverybodys(_ error: any Error) -> Bool {
    switch error {
    case is CancellationError, PostgresError.Code.cancelled, RegistryError.Code.databaseUnavailable,
      RegistryError.Code.schemaNotMigrated:
      true
    // A server that takes no writes, or no longer what this role wants.
    case let error as PostgresError:
      error.sqlState == .readOnlySQLTransaction || error.sqlState == .insufficientPrivilege
    default: false
    }
  }

  /// One slice of a tenant's run. It begins on the way, and leaves it.
  ///
  /// - Returns: what came of it.
  private func slice(of work: ReconciliationWork, at place: ReconciliationSchedule.Place) async throws -> Slice {
    var (work, place, isOnWay) = (work, place, true)
    // When it was run before says nothing of how long this run is under way.
    if !work.claim.isBegun { place.startedAt = work.claim.at }
    defer { if isOnWay { way.leave() } }
    let begun = clock.elapsed()
    var slice = Slice(
      place: place, runID: work.claim.runID, isFirst: !work.claim.isBegun, at: work.claim.at, duration: .zero, run: nil)
    do {
      repeat {
        try Task.checkCancellation()
        if work.waitsForOthers, isOnWay {
          way.leave()
          isOnWay = false
        } else if !work.waitsForOthers, !isOnWay {
          try await way.take()
          isOnWay = true
        }
        slice.run = try await work.step()
      } while slice.run == nil && (work.isMidway || clock.elapsed() - begun < sliceBudget)
      if slice.run == nil { try await work.yield() }
    } catch {
      slice.run = try await leave(work, at: place, after: error)
    }
    slice.duration = clock.elapsed() - begun
    observe(slice)
    return slice
  }

  /// Leaves a run that a slice could not go on with: a cancelled one to the next process, one whose database is away to
  /// whoever finds its lease over, one that alone got no answer to later, any other as failed.
  private func leave(
    _ work: ReconciliationWork, at place: ReconciliationSchedule.Place, after error: any Error
  ) async throws -> ReconciliationRun? {
    switch error {
    case is CancellationError, PostgresError.Code.cancelled:
      _ = await Task { try await work.yield() }.result
      throw CancellationError()
    case RegistryError.Code.databaseUnavailable: return try await putOff(work, at: place, after: error)
    case RegistryError.Code.alreadyRunning: return nil
    default:
      await reconciliations.end(work, after: error)
      return await report(of: work, after: error)
    }
  }

  /// Puts a run off, where others can go on: a statement may have taken too long only because of what it was about.
  ///
  /// - Returns: the run, which is not over.
  /// - Throws: `error` where the database answers nobody.
  private func putOff(
    _ work: ReconciliationWork, at place: ReconciliationSchedule.Place, after error: any Error
  ) async throws -> ReconciliationRun {
    guard let now = try? await look(since: nil).now else { throw error }
    // Where the place is locked, its lease holds it back.
    try? await work.putOff(until: schedule.retry(place, at: now))
    logger.warning(
      "a reconciliation is put off",
      metadata: ["tenant": "\(place.slug)", "run": "\(work.claim.runID.text)", "error": "\(error)"])
    return await report(of: work, after: error)
  }

  /// The run as it is written, or where it could not be, what this process knows of it.
  private func report(of work: ReconciliationWork, after error: any Error) async -> ReconciliationRun {
    var run =
      (try? await reconciliations.show(work.tenant, work.claim.runID))
      ?? .unwritten(work.claim, of: work.tenant.slug, at: reconciliations.timing.now(), after: error)
    if !run.isDone { run.error = run.error ?? Reconciliations.reason(error) }
    return run
  }
}

extension ReconciliationSchedule.Place {
  init(row: PostgresRow) throws {
    self.init(
      tenantID: try row.decode("tenant_id"), slug: try row.decode("slug"), placeAt: try row.decode("place_at"),
      dueAt: try row.decodeIfPresent("due_at"), startedAt: try row.decodeIfPresent("started_at"),
      isUnderWay: try row.decode("under_way"), leaseUntil: try row.decodeIfPresent("lease_until"),
      isPaused: try row.decodeIfPresent("paused_at", as: Date.self) != nil,
      isAsked: try row.decodeIfPresent("asked_at", as: Date.self) != nil,
      isDisabled: try row.decodeIfPresent("disabled_at", as: Date.self) != nil, missed: try row.decode("missed"),
      version: try row.decode("version"))
  }
}

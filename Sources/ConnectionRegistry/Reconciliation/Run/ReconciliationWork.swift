import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// The run of one tenant, step by step: each step is one transaction that leaves the run in a state from which
/// any process can go on.
///
/// Facts are collected window by window and judged before the next window is, so that neither this process nor the list of
/// subjects grows with the history.
struct ReconciliationWork {
  /// The next subjects to be judged, all of one family.
  private struct Slice {
    var family: SubjectFamily
    var subjects: [String]
  }

  let database: RegistryDatabase
  let tenant: Tenant
  let timing: Timing
  let clock: ScheduleClock
  let schedule: ReconciliationSchedule
  let scope: RunScope
  /// How often Terra's listing is asked for where the tenant says nothing, in seconds; nil is never.
  let providerEvery: Double?
  let questions: TerraQuestions
  let limits: RunLimits
  /// How the tenant's table `terra_users` is reached.
  let terraUsersURL: @Sendable () async throws -> String
  private(set) var claim: RunClaim
  /// What is left to be repaired.
  private(set) var repairs = RepairQueue()

  private var subjects = SlicePace(size: Double(firstSlice), bounds: 1...20_000, target: Self.stepTarget)
  private var window: SlicePace
  private var differences: SlicePace
  private var indexes: [IndexScreening]
  /// Whether the last step took too long, and the next one takes on less.
  private var wasBrokenOff = false
  /// Whether the last step has only looked what is left.
  private var hasOnlyLooked = false
  /// Nil while it is not known what is left.
  private var next: Slice??
  /// Whether this process has taken out what is left of older listings.
  private var hasForgotten = false

  /// How long a step shall take, in seconds.
  static let stepTarget = 0.4
  /// After how long a statement of a step is broken off, and the step done in smaller parts.
  static let statementLimit: Duration = .seconds(2)
  /// With how many subjects a run begins.
  static let firstSlice = 2_000

  init(
    database: RegistryDatabase, tenant: Tenant, timing: Timing, clock: ScheduleClock, schedule: ReconciliationSchedule,
    scope: RunScope, providerEvery: Double?, claim: RunClaim, questions: TerraQuestions, limits: RunLimits,
    terraUsersURL: @escaping @Sendable () async throws -> String
  ) {
    self.database = database
    self.tenant = tenant
    self.timing = timing
    self.clock = clock
    self.schedule = schedule
    self.scope = scope
    self.providerEvery = providerEvery
    self.questions = questions
    self.limits = limits
    self.terraUsersURL = terraUsersURL
    var claim = claim
    if !claim.isBegun {
      let scope = claim.asked ?? scope
      claim.windowStart = claim.start(widening: timing.widening(of: tenant), isFull: scope.isFull)
      let every = tenant.providerEverySeconds ?? providerEvery
      claim.asksProvider = scope.asksProvider ?? claim.isDue(since: claim.providerAt, every: every)
      claim.copiesTerraUsers =
        scope.asksProvider == nil && tenant.copiesTerraUsers && claim.isDue(since: claim.terraUsersAt, every: every)
      // In shadow mode the registry only records and reports.
      claim.repair = tenant.shadow ? .none : scope.repair ?? tenant.repair
    }
    self.claim = claim
    indexes = IndexScreening.all(partSize: limits.indexPart, tenantID: tenant.id, runID: claim.runID)
    differences = IDSlices.pace(from: limits.listingSlice)
    window = FactWindow.pace(from: claim.windowStart, to: claim.windowEnd)
  }

  private var held: HeldRun {
    HeldRun(database: database, tenantID: tenant.id, runID: claim.runID, leaseID: claim.leaseID, clock: clock)
  }
  private var id: PostgresParameter { .uuid(tenant.id) }
  private var run: PostgresParameter { .uuid(claim.runID) }

  /// Whether the next step asks Terra, or another database, or takes as long as an old listing is large.
  var waitsForOthers: Bool {
    guard claim.isBegun else { return false }
    if claim.asksProvider && !claim.hasListed || claim.copiesTerraUsers && !claim.hasCopied { return true }
    if mustForget { return true }
    guard case .some(nil) = next, isCollected, claim.hasDiffered else { return false }
    return claim.repair != .none && !repairs.isDone
  }

  /// Whether what older listings left is to be forgotten first.
  private var mustForget: Bool {
    (claim.asksProvider || claim.copiesTerraUsers) && !hasForgotten && claim.collectedTo == nil
  }

  /// Whether it is not to be left yet: whoever goes on would look again, or try again what has taken too long.
  var isMidway: Bool { hasOnlyLooked || wasBrokenOff || !isCollected && indexes.contains(where: \.isParted) }

  /// Whether the window is collected to its end, which is noted once the last part of each index is.
  private var isCollected: Bool { claim.collectedTo.map { $0 >= claim.windowEnd } ?? false }

  /// Does the next step.
  ///
  /// - Returns: the run once it is complete.
  /// - Throws: `already_running` where another process has taken the run over, `tenant_unknown` where the tenant was disabled
  ///   or deleted, `database_unavailable`.
  mutating func step() async throws -> ReconciliationRun? {
    (hasOnlyLooked, wasBrokenOff) = (false, false)
    guard claim.isBegun else {
      try await begin()
      return nil
    }
    if claim.asksProvider, !claim.hasListed {
      try await list()
      return nil
    }
    // After the listing, which would take the place of a copy from before it.
    if claim.copiesTerraUsers, !claim.hasCopied {
      try await held.copyTerraUsers(
        of: tenant, from: terraUsersURL, within: limits.terraUsers, &claim)
      return nil
    }
    // After it is noted that these are done: an error here must not have them read again. Whoever goes on forgets again.
    if mustForget {
      let held = held
      try await OldListings(tenantID: tenant.id, slice: limits.listingSlice) { try await held.run($0) }.forget()
      // No step by itself: where each step is a slice, whoever comes next would do nothing else.
      hasForgotten = true
    }
    switch next {
    case nil:
      next = .some(try Self.slice(try await held.run([sliceStatement]).last))
      hasOnlyLooked = true
    case .some(.some(let slice)): try await judge(slice)
    case .some(nil):
      guard isCollected else {
        try await collect()
        return nil
      }
      guard claim.hasDiffered else {
        try await collectDifferences()
        return nil
      }
      guard claim.repair == .none || repairs.isDone else {
        try await repair()
        return nil
      }
      return try await finish()
    }
    return nil
  }

  /// Asks for the next page of Terra's listing. An error of Terra's is a remark: what is recorded is compared all the same.
  private mutating func list() async throws {
    let held = held
    let pass = ProviderPass(
      database: database, tenant: tenant, questions: questions, runID: claim.runID, slice: limits.listingSlice
    ) { try await held.run($0) }
    let isComplete: Bool
    switch try await pass.step() {
    case nil: return
    case .complete(_, let assessment):
      isComplete = true
      if let doubt = assessment.doubt { claim.remark(doubt.sentence) }
    case .incomplete(let reason):
      isComplete = false
      claim.remark(reason)
    case .endedBefore(let wasComplete, let reason):
      isComplete = wasComplete
      if let reason { claim.remark(reason) }
    }
    var statements: [BoundStatement] = []
    if isComplete { statements = [RegistryStatements.reconciliationProviderAsked(id, run, .timestamp(claim.at))] }
    statements.append(
      RegistryStatements.reconciliationProviderDone(
        id, run, .text(isComplete ? "complete" : "incomplete"), .bool(!isComplete), .textArray(claim.remarks)))
    _ = try await held.run(statements)
    claim.hasListed = true
  }

  /// Settles the next finding that an answer of Terra's may settle.
  private mutating func repair() async throws {
    let held = held
    let safe = SafeRepair(
      database: database, tenant: tenant, questions: questions, runID: claim.runID, isDryRun: false,
      absenceDoubt: try await repairs.doubt(database, tenant.id), now: timing.now
    ) { _, statements in try await held.run(statements) }
    guard let next = try await repairs.next(of: safe, after: claim.repairedTo) else { return }
    var isPartial = false
    var told: [BoundStatement] = []
    switch try await safe.take(next, hasProof: &repairs.hasProof) {
    case .dealtWith(let done):
      repairs.done.append(done)
      claim.repairedTo = next.place
      if done.act == .left {
        claim.remark("Left open (\(done.kind.rawValue)): \(done.reason)")
        told = [
          RegistryStatements.findingRepairLeft(
            id, .uuid(done.findingID), .text(done.reason), .uuid(done.correctionID))
        ]
      }
    case .interrupted(let reason, _):
      // Nobody goes on with these: the next run asks again.
      claim.repairedTo = RepairCase.Place(firstSeenAt: .distantFuture, findingID: next.findingID)
      claim.remark(reason)
      repairs.isDone = true
      isPartial = true
    }
    _ = try await held.run(
      told + [
        RegistryStatements.reconciliationRepairProgress(
          id, run, .timestamp(claim.repairedTo?.firstSeenAt), .uuid(claim.repairedTo?.findingID), .bool(isPartial),
          .textArray(claim.remarks))
      ])
  }

  /// When the next run is due once this one has begun, and how many before it were missed.
  private var turn: (due: Date?, missed: Int) {
    // A run that was asked for comes beside the scheduled one, which may do more.
    guard claim.asked == nil else { return (nil, 0) }
    return (schedule.next(for: tenant.id, after: claim.at), schedule.missed(since: claim.dueAt, at: claim.at))
  }

  private mutating func begin() async throws {
    let (due, missed) = turn
    var statements = [
      RegistryStatements.reconciliationAbandonOthers(id, run),
      RegistryStatements.reconciliationSubjectClear(id),
      RegistryStatements.providerListingRedate(id),
      RegistryStatements.reconciliationRunInsert(
        id, run, .timestamp(claim.windowStart), .timestamp(claim.windowEnd), .int(missed),
        .bool(claim.asksProvider), .text(claim.repair.rawValue), .bool(claim.copiesTerraUsers)),
      RegistryStatements.reconciliationSchedule(id, run, .timestamp(claim.at), .timestamp(due), .int(missed)),
    ]
    // A run over everything sees most of what stands by itself, and looks at its end for what it did not.
    if !claim.isOverEverything {
      statements += FactWindow.standing(of: tenant.id, runID: claim.runID, size: limits.standing)
    }
    let results = try await held.run(statements + [sliceStatement])
    claim.isBegun = true
    next = .some(try Self.slice(results.last))
  }

  /// Collects what the next part of the window names.
  private mutating func collect() async throws {
    let from = claim.collectedTo ?? claim.windowStart
    var earliest = from ?? claim.windowEnd
    if from == nil {
      let first = try await held.run([RegistryStatements.reconciliationEarliest(id)]).last?.rows.first
      earliest = try first?.decodeIfPresent("earliest", as: Date.self) ?? earliest
    }
    var to = earliest.addingTimeInterval(window.size)
    let isLast = to >= claim.windowEnd
    if isLast { to = claim.windowEnd }
    let indexes = isLast && claim.isOverEverything ? indexes.filter { !$0.isDone } : []
    if indexes.contains(where: \.isParted) { return try await screenIndexes() }
    // Facts from a clock that ran ahead are examined too, whenever that is.
    let part = FactWindow(
      tenantID: tenant.id, runID: claim.runID, start: from, end: isLast ? .distantFuture : to, isLast: isLast)
    let begun = clock.elapsed()
    do {
      // Again after a kill: what is seen twice by one run is seen once.
      var statements: [BoundStatement] = []
      if claim.isOverEverything {
        try await screen(part, middle: min(earliest, to)...to, beside: indexes.map { $0.collect(before: nil) })
      } else {
        statements = part.facts
      }
      let results = try await held.run(
        statements + part.rest + (isLast && claim.isOverEverything ? [standing] : []) + [
          progress(examined: claim.examined, collectedTo: to), sliceStatement,
        ],
        // What stands does not grow with the window: a smaller one would not help.
        limit: window.isLeast || isLast && claim.isOverEverything ? nil : Self.statementLimit)
      window.note(done: isLast ? 0 : window.size, seconds: (clock.elapsed() - begun).inSeconds)
      if isLast { for place in self.indexes.indices { self.indexes[place].goOn(to: nil) } }
      claim.collectedTo = to
      next = .some(try Self.slice(results.last))
    } catch let error as PostgresError where error.sqlState == .queryCanceled && !window.isLeast {
      try Task.checkCancellation()
      wasBrokenOff = true
      window.shrink()
      // Which took too long is not known.
      if !indexes.isEmpty { for place in self.indexes.indices { self.indexes[place].part() } }
    }
  }

  /// Collects the next slice of what listings differ in.
  private mutating func collectDifferences() async throws {
    let listed = ListingSubjects(tenantID: tenant.id, runID: claim.runID, start: claim.windowStart)
    // No id is empty.
    let after = PostgresParameter.text(claim.differedTo ?? "")
    let begun = clock.elapsed()
    let end = try await held.run([listed.end(after: after, size: .int(Int(differences.size)))]).last?.rows.first
    let until = try end?.decodeIfPresent("until", as: String.self)
    do {
      let results = try await held.run(
        [
          listed.collect(after: after, until: .text(until)),
          RegistryStatements.reconciliationDifferencesCollected(id, run, .text(until)), sliceStatement,
        ],
        limit: differences.isLeast ? nil : Self.statementLimit)
      differences.note(done: until == nil ? 0 : differences.size, seconds: (clock.elapsed() - begun).inSeconds)
      (claim.differedTo, claim.hasDiffered) = (until, until == nil)
      next = .some(try Self.slice(results.last))
    } catch let error as PostgresError where error.sqlState == .queryCanceled && !differences.isLeast {
      try Task.checkCancellation()
      wasBrokenOff = true
      differences.shrink()
    }
  }

  /// Collects what is not plain in a part of everything, side by side; nothing is noted as collected before all of it is.
  private func screen(_ part: FactWindow, middle: ClosedRange<Date>, beside: [BoundStatement]) async throws {
    let statements = beside + part.screen(grace: timing.grace(of: tenant), middle: middle)
    try await held.collect(statements, limit: window.isLeast ? nil : limits.screening)
  }

  /// Collects of the next part of each index.
  private mutating func screenIndexes() async throws {
    let left = indexes.indices.filter { !indexes[$0].isDone }
    let ends = try await held.run(left.map { indexes[$0].end }).map(IndexScreening.next)
    try await held.collect(zip(left, ends).map { indexes[$0].collect(before: $1) }, limit: nil)
    for (place, end) in zip(left, ends) { indexes[place].goOn(to: end) }
  }

  /// Looks for claims of other tenants' connections among the callbacks of sessions or attempts.
  private func judgeClaims(_ family: SubjectFamily, _ names: [String], limit: Duration?) async throws {
    guard let claims = family.claims(of: names, tenantID: tenant.id) else { return }
    let rows = try await database.run(tenant.id, compiles: false, limit: limit, [claims]).last?.rows
    guard let rows, !rows.isEmpty else { return }
    let ids = try rows.map { try $0.decode("user_id", as: String.self) }
    _ = try await held.runAcrossTenants([
      RegistryStatements.reconcileForeignClaims(id, run, .textArray(ids)).plannedAnew
    ])
  }

  /// Judged, written and struck off in one transaction: what a finding says held when it was written.
  private mutating func judge(_ slice: Slice) async throws {
    let names = Array(slice.subjects.prefix(Int(subjects.size)))
    guard let last = names.last else { return }
    let family = PostgresParameter.text(slice.family.rawValue)
    let begun = clock.elapsed()
    let limit = subjects.isLeast ? nil : Self.statementLimit
    do {
      try await judgeClaims(slice.family, names, limit: limit)
      let results = try await held.run(
        [
          slice.family.judge(names, of: tenant, runID: claim.runID, timing: timing),
          RegistryStatements.reconcileVanish(id, run, family, .textArray(names)).plannedAnew,
          RegistryStatements.reconciliationSliceDone(id, run, family, .text(last)),
        ] + FindingTransition.statements(tenantID: tenant.id, runID: claim.runID) + [
          progress(examined: claim.examined + names.count, collectedTo: nil), sliceStatement,
        ], limit: limit)
      subjects.note(done: Double(names.count), seconds: (clock.elapsed() - begun).inSeconds)
      claim.examined += names.count
      next = .some(try Self.slice(results.last))
    } catch let error as PostgresError where error.sqlState == .queryCanceled && !subjects.isLeast {
      try Task.checkCancellation()
      wasBrokenOff = true
      subjects.shrink()
    }
  }

  private func finish() async throws -> ReconciliationRun {
    let shown = Reconciliations.one(id, claim.runID)
    do {
      _ = try await held.runAcrossTenants([
        RegistryStatements.reconcileStandingForeignClaims(id, run).plannedAnew,
        RegistryStatements.reconcileVanishForeignClaims(id, run),
        RegistryStatements.findingChangeAppendForOperators(id, run),
        RegistryStatements.findingChangeAnnounceForOperators(id),
      ])
      let results = try await held.run(
        [
          RegistryStatements.findingAcknowledgementEnd(id), FindingTransition.escalate(tenantID: tenant.id),
        ] + FindingTransition.statements(tenantID: tenant.id, runID: claim.runID) + [
          RegistryStatements.reconciliationFinish(
            id, run, .text(ReconciliationRun.Outcome.complete.rawValue), .null, .uuid(claim.leaseID)),
          release(watermark: claim.windowEnd),
          shown,
        ])
      guard let row = results.last?.rows.first else { throw RegistryError.notFound("run") }
      return try ReconciliationRun(row: row, tenant: tenant.slug)
    } catch RegistryError.Code.alreadyRunning {
      // The answer of an earlier try may have been lost after its commit.
      let row = try await database.run(tenant.id, shown).rows.first
      guard let row, case let run = try ReconciliationRun(row: row, tenant: tenant.slug), run.isDone
      else {
        throw HeldRun.taken
      }
      return run
    }
  }

  /// Goes to the back of the queue; whoever comes next goes on.
  func yield() async throws {
    _ = try await database.run(
      tenant.id,
      RegistryStatements.reconciliationYield(id, run, .uuid(claim.leaseID), .timestamp(clock.now())))
  }

  /// Gives the place back and lets nobody go on before a moment.
  ///
  /// - Parameter moment: the schedule's time from which on the run may go on.
  /// - Throws: `database_unavailable`; PostgreSQL's own error where somebody has locked the place.
  func putOff(until moment: Date) async throws {
    _ = try await database.run(
      tenant.id, lockLimit: Reconciliations.lockLimit,
      [RegistryStatements.reconciliationYield(id, run, .uuid(claim.leaseID), .timestamp(moment))])
  }

  /// Ends the run as failed and gives the place back; the window stays, so the next run examines the same.
  func fail(_ reason: String) async throws {
    _ = try await database.run(
      tenant.id,
      [
        RegistryStatements.reconciliationFinish(
          id, run, .text(ReconciliationRun.Outcome.failed.rawValue), .text(reason), .uuid(claim.leaseID)),
        release(watermark: nil),
      ])
  }

  private func release(watermark: Date?) -> BoundStatement {
    // One that could not begin would else stay the oldest in the queue.
    let isUntried = !claim.isBegun && claim.asked == nil
    let (due, missed) = isUntried ? turn : (nil, 0)
    return RegistryStatements.reconciliationRelease(
      id, run, .uuid(claim.leaseID), .timestamp(watermark), .timestamp(clock.now()),
      .timestamp(isUntried ? claim.at : nil), .timestamp(due), .int(missed))
  }

  private var standing: BoundStatement { RegistryStatements.reconciliationCollectStanding(id, run).plannedAnew }

  private var sliceStatement: BoundStatement {
    // A plan that was made while the table was empty would read and sort all of a large run.
    RegistryStatements.reconciliationSlice(id, run, .int(Int(subjects.size))).plannedAnew
  }

  private func progress(examined: Int, collectedTo: Date?) -> BoundStatement {
    RegistryStatements.reconciliationProgress(id, run, .int(examined), .timestamp(collectedTo))
  }

  private static func slice(_ result: PostgresResult?) throws -> Slice? {
    guard let rows = result?.rows, let first = rows.first else { return nil }
    guard let family = SubjectFamily(rawValue: try first.decode("family")) else {
      throw RegistryError(.schemaNewer, "a run holds a family of subjects that this version does not know")
    }
    return Slice(family: family, subjects: try rows.map { try $0.decode("subject") })
  }
}

import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// A run that leaves nothing behind: the statements of a run, part by part, each part in a transaction that is rolled back.
///
/// A part collects some of the facts and judges whom they are about, so no part needs what another has written. What a part
/// has changed stays locked until it is rolled back, which is after everybody whom it has collected: longer than any step of
/// a run, which judges a slice at a time.
struct ReconciliationRehearsal {
  /// What one part would change.
  private struct Part: Sendable {
    var transitions: [Rehearsal.Transition]
    /// The findings among them that Terra's answer may settle.
    var cases: [RepairCase] = []
    /// What callbacks claim that were looked at, and is no connection of the tenant's own.
    var claimed: [String] = []
  }

  let database: RegistryDatabase
  let tenant: Tenant
  let timing: Timing
  let clock: ScheduleClock
  let scope: RunScope
  /// Whether findings for operators only are judged and told.
  let seesOperators: Bool
  let questions: TerraQuestions
  let limits: RunLimits

  private let runID = UUID.version7()
  private var id: PostgresParameter { .uuid(tenant.id) }
  private var run: PostgresParameter { .uuid(runID) }

  init(
    database: RegistryDatabase, tenant: Tenant, timing: Timing, clock: ScheduleClock, scope: RunScope,
    seesOperators: Bool, questions: TerraQuestions, limits: RunLimits
  ) {
    self.database = database
    self.tenant = tenant
    self.timing = timing
    self.clock = clock
    self.scope = scope
    self.seesOperators = seesOperators
    self.questions = questions
    self.limits = limits
  }

  /// Goes through everything that a run would go through now.
  func rehearse() async throws -> Rehearsal {
    var found: [UUID: Rehearsal.Transition] = [:]
    // Several parts may find the same: what stands is collected for itself, and again with what is new about it.
    var cases: [UUID: RepairCase] = [:]
    var remarks: [String] = []
    func note(_ part: Part) {
      for transition in part.transitions { found[transition.findingID] = transition }
      for repair in part.cases { cases[repair.findingID] = repair }
    }
    let (start, end) = try await window()
    let listing = try await listing(&remarks)
    var isPartial = listing == nil && scope.asksProvider == true
    var doubt = try await SafeRepair.absenceDoubt(database, tenant.id)
    let isScreened = start == nil
    let standing =
      isScreened
      ? [RegistryStatements.reconciliationCollectStanding(id, run).plannedAnew]
      : FactWindow.standing(of: tenant.id, runID: runID, size: limits.standing)
    note(try await part(collecting: standing).part)
    var from = start
    var width = FactWindow.pace(from: start, to: end)
    var first = start
    if isScreened {
      let row = try await database.run(tenant.id, RegistryStatements.reconciliationEarliest(id)).rows.first
      first = try row?.decodeIfPresent("earliest", as: Date.self)
    }
    var isLast = false
    while !isLast {
      try Task.checkCancellation()
      let beginning = from ?? first ?? end
      let to = beginning.addingTimeInterval(width.size)
      isLast = to >= end
      let facts = FactWindow(
        tenantID: tenant.id, runID: runID, start: from, end: isLast ? .distantFuture : to, isLast: isLast)
      let begun = clock.elapsed()
      let middle = min(beginning, end)...min(to, max(beginning, end))
      let collecting = isScreened ? facts.screen(grace: timing.grace(of: tenant), middle: middle) : facts.facts
      let judged = try await part(
        collecting: collecting + facts.rest, differingSince: isLast ? .some(start) : nil,
        listing: isLast ? listing : nil)
      note(judged.part)
      switch judged.ending {
      case nil: break
      case .complete(_, let assessment):
        doubt = assessment.doubt?.sentence
        if let doubt { remarks.append(doubt) }
      case .incomplete(let reason):
        remarks.append(reason)
        isPartial = true
      case .endedBefore: break
      }
      if seesOperators, !judged.part.claimed.isEmpty {
        note(
          try await claims([
            RegistryStatements.reconcileForeignClaims(id, run, .textArray(judged.part.claimed)).plannedAnew
          ]))
      }
      width.note(done: isLast ? 0 : width.size, seconds: (clock.elapsed() - begun).inSeconds)
      from = to
    }
    let indexes = IndexScreening.all(partSize: limits.indexPart, tenantID: tenant.id, runID: runID)
    for var index in isScreened ? indexes : [] {
      while !index.isDone {
        let end = try IndexScreening.next(try await database.run(tenant.id, index.end))
        note(try await part(collecting: [index.collect(before: end)]).part)
        index.goOn(to: end)
      }
    }
    if seesOperators {
      note(
        try await claims([
          RegistryStatements.reconcileStandingForeignClaims(id, run).plannedAnew,
          RegistryStatements.reconcileVanishForeignClaims(id, run),
        ]))
    }
    var rehearsal = Rehearsal(
      findings: found.values.sorted { $0.findingID.text < $1.findingID.text }, repairs: [], remarks: remarks,
      isPartial: isPartial)
    try await repair(&rehearsal, cases.values.sorted { $0.place < $1.place }, doubt)
    return rehearsal
  }

  /// From when to when a run would examine facts now; nil is from the beginning.
  private func window() async throws -> (start: Date?, end: Date) {
    let row = try await database.rehearsing(tenant.id) { [id] database in
      try await database.run(
        tenant.id,
        [RegistryStatements.reconciliationStateInsert(id), RegistryStatements.reconciliationStanding(id, .null)]
      ).last?.rows.first
    }
    guard let row else { throw RegistryError.notFound("tenant") }
    let now = try row.decode("clock", as: Date.self)
    let start = RunClaim.start(
      watermark: try row.decodeIfPresent("watermark"), clock: now,
      widening: timing.widening(of: tenant), isFull: scope.isFull)
    return (start, now)
  }

  /// Terra's listing, read before anything is compared, so that no transaction waits for Terra.
  private func listing(_ remarks: inout [String]) async throws -> [ProviderPass.Page]? {
    guard scope.asksProvider == true else { return nil }
    let pass = ProviderPass(database: database, tenant: tenant, questions: questions)
    switch try await pass.pages() {
    case .success(let pages): return pages
    case .failure(let fault):
      remarks.append(fault.reason)
      return nil
    }
  }

  /// Collects, judges everybody who was collected, and says what that has changed.
  private func part(
    collecting: [BoundStatement], differingSince start: Date?? = nil, listing: [ProviderPass.Page]? = nil
  ) async throws -> (part: Part, ending: ProviderPass.Ending?) {
    try await database.rehearsing(tenant.id, memory: FactWindow.screeningMemory) { database in
      var ending: ProviderPass.Ending?
      _ = try await database.run(tenant.id, RegistryStatements.providerListingRedate(id))
      if let listing {
        let pass = ProviderPass(database: database, tenant: tenant, questions: questions)
        ending = try await pass.take(listing)
      }
      _ = try await database.run(tenant.id, collecting)
      if let start {
        let listed = ListingSubjects(tenantID: tenant.id, runID: runID, start: start)
        let run: @Sendable ([BoundStatement]) async throws -> [PostgresResult] = {
          try await database.run(tenant.id, $0)
        }
        try await IDSlices(slice: limits.listingSlice, run: run).each(ending: listed.end(after:size:)) {
          _ = try await run([listed.collect(after: $0, until: $1)])
        }
      }
      let claimed = try await judge(database)
      let rows = try await database.run(tenant.id, RegistryStatements.findingRehearsed(id)).rows
      var part = Part(transitions: try rows.compactMap(Rehearsal.Transition.init(row:)), claimed: claimed)
      let opened = part.transitions.filter { $0.type != .resolved && RepairCase.kinds.contains($0.kind) }
      if scope.repair == .safe, !opened.isEmpty {
        part.cases = try await repairs(database, nil).candidates(among: opened.map(\.findingID))
      }
      return (part, ending)
    }
  }

  /// Judges everybody who is collected. Returns which ids are claimed that are no connections of the tenant.
  private func judge(_ database: RegistryDatabase) async throws -> [String] {
    var claimed: Set<String> = []
    while true {
      try Task.checkCancellation()
      let rows = try await database.run(
        tenant.id, RegistryStatements.reconciliationSlice(id, run, .int(ReconciliationWork.firstSlice))
      ).rows
      guard let first = rows.first, let family = SubjectFamily(rawValue: try first.decode("family")) else {
        return claimed.sorted()
      }
      let names = try rows.map { try $0.decode("subject", as: String.self) }
      let name = PostgresParameter.text(family.rawValue)
      if seesOperators, let claims = family.claims(of: names, tenantID: tenant.id) {
        claimed.formUnion(try await database.run(tenant.id, claims).rows.map { try $0.decode("user_id") })
      }
      _ = try await database.run(
        tenant.id,
        [
          family.judge(names, of: tenant, runID: runID, timing: timing),
          RegistryStatements.reconcileVanish(id, run, name, .textArray(names)).plannedAnew,
          RegistryStatements.reconciliationSliceDone(id, run, name, .text(names.last)),
        ])
    }
  }

  /// What statements about claims of other tenants' connections would change.
  private func claims(_ statements: [BoundStatement]) async throws -> Part {
    try await database.rehearsing(nil, memory: FactWindow.screeningMemory) { database in
      let results = try await database.runAcrossTenants(
        statements + [RegistryStatements.findingRehearsedForOperators(id)])
      return Part(transitions: try results.last?.rows.compactMap(Rehearsal.Transition.init(row:)) ?? [])
    }
  }

  private func repair(_ rehearsal: inout Rehearsal, _ new: [RepairCase], _ doubt: String?) async throws {
    guard scope.repair == .safe else { return }
    let resolved = Set(rehearsal.findings.filter { $0.type == .resolved }.map(\.findingID))
    let outcome = try await repairs(database, doubt).run(besides: resolved, and: new)
    rehearsal.repairs = outcome.repairs
    if let reason = outcome.interruption {
      rehearsal.remarks.append(reason)
      rehearsal.isPartial = true
    }
  }

  private func repairs(_ database: RegistryDatabase, _ doubt: String?) -> SafeRepair {
    SafeRepair(
      database: database, tenant: tenant, questions: questions, runID: runID, isDryRun: true,
      absenceDoubt: doubt, now: timing.now
    ) { _, _ in
      throw RegistryError(.internalFailure, "a dry run was about to write")
    }
  }
}

extension Rehearsal.Transition {
  /// Reads what `finding_rehearsed` says; nil where nothing is told of it.
  init?(row: PostgresRow) throws {
    let before = try row.decodeIfPresent("announced_status", as: String.self)
    let after = try row.decode("status", as: String.self)
    guard let severity = FindingSeverity(rawValue: try row.decode("severity")) else { throw FindingKind.unknown }
    let kind = try FindingKind(column: row.decode("kind"))
    let reasonCode = try row.decode("reason_code", as: String.self)
    let type: FindingTransitionType
    switch (before, after) {
    case (nil, FindingStatus.open.rawValue): type = .opened
    case (_, FindingStatus.open.rawValue): type = .reopened
    case (_, FindingStatus.vanished.rawValue): type = .resolved
    default: return nil
    }
    self.init(
      type: type, findingID: try row.decode("finding_id"), kind: kind, severity: severity, reasonCode: reasonCode,
      subject: Finding.Subject(type: try row.decode("subject_type"), id: try row.decode("subject")),
      summary: kind.summary(reasonCode: reasonCode))
  }
}

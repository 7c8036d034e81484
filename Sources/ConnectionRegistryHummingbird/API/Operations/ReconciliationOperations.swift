import ConnectionRegistry
import Foundation
import HTTPTypes
import RegistryModel

/// `/v1/reconciliations` and `/v1/findings`: comparisons, and what they found.
enum ReconciliationOperations {
  /// How long Terra may be asked about one finding after the other.
  static let timeLimit: Duration = .seconds(300)

  static func all(_ registry: ConnectionRegistry) -> [APIOperation] {
    [
      run(registry), rehearse(registry), listRuns(registry), showRun(registry), list(registry), show(registry),
      acknowledge(registry), undo(registry),
    ]
  }

  private static func run(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/reconciliations", id: "runReconciliation", tag: .reconciliations, scope: .findingsWrite,
      summary: "Ask for a reconciliation",
      description: """
        Compares sessions, callbacks, events and connections of the tenant, with `provider` against Terra's listing too, \
        and with `repair` makes good what Terra's answers prove. The answer does not wait: the run is `queued`, begins \
        when those before it are over, and stands at `Location` with its counts; what it finds stands in the findings. \
        It outlives the process that began it.
        """,
      body: ReconciliationSchemas.new, bodyIsOptional: true, idempotency: .kept,
      answer: .accepted(
        ReconciliationSchemas.run, "The run, which has not begun.",
        links: [.to("showReconciliation", "run_id", from: "/run_id")]),
      problems: [.shadowMode, .limitReached]
    ) { call in
      let new = try call.body(NewReconciliationBody.self)
      let run = try await registry.reconciliations.ask(
        tenant: call.tenant, isFull: new.full ?? false, asksProvider: new.provider ?? false,
        repair: new.repair ?? .none)
      return try .json(run, status: .accepted, location: "/v1/reconciliations/\(run.runID.text)")
    }
  }

  private static func rehearse(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/reconciliations/rehearsal", id: "rehearseReconciliation", tag: .reconciliations,
      scope: .findingsWrite, summary: "Rehearse a reconciliation",
      description: """
        Says what a run with the same body would find, resolve and repair now. The facts are compared as a run does, with \
        `provider` Terra's listing is read too, and with `repair` Terra is asked about each finding that its answer may \
        settle. Nothing is written.
        """,
      body: ReconciliationSchemas.new, bodyIsOptional: true, idempotency: .kept,
      answer: .ok(ReconciliationSchemas.rehearsal, "What would be done."),
      problems: [.shadowMode] + ProblemCode.ofCallsToTerra, timeLimit: timeLimit
    ) { call in
      let new = try call.body(NewReconciliationBody.self)
      return try .json(
        await registry.reconciliations.rehearse(
          tenant: call.tenant, isFull: new.full ?? false, asksProvider: new.provider ?? false,
          repair: new.repair ?? .none))
    }
  }

  private static func listRuns(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/reconciliations", id: "listReconciliations", tag: .reconciliations, scope: .findingsRead,
      summary: "List reconciliations", description: "Runs, newest first.",
      parameters: APIParameter.span("begun") + APIParameter.page,
      answer: .page(
        of: ReconciliationSchemas.run, "A page of runs.",
        links: [.to("showReconciliation", "run_id", from: "/items/0/run_id")])
    ) { call in
      try .page(
        await registry.reconciliations.list(tenant: call.tenant, started: call.query.span(), page: call.query.page))
    }
  }

  private static func showRun(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/reconciliations/{run_id}", id: "showReconciliation", tag: .reconciliations, scope: .findingsRead,
      summary: "Show a reconciliation", description: "One run with its counts.",
      parameters: [.path("run_id", .uuid, "The run's id.")], hasEntityTag: true,
      answer: .ok(ReconciliationSchemas.run, "The run.")
    ) { call in
      try .json(await registry.reconciliations.show(tenant: call.tenant, call.id("run_id")))
    }
  }

  private static func list(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/findings", id: "listFindings", tag: .findings, scope: .findingsRead, summary: "List findings",
      description: "Disagreements, oldest first; without `status` those that are open or acknowledged.",
      parameters: [
        .query("kind", .choice(of: FindingKind.self), "Only of this kind."),
        .query("severity", .choice(of: FindingSeverity.self), "Only of this severity or worse."),
        .query("status", .list(of: .choice(of: FindingStatus.self), 1...8), "Only in these states, by commas."),
      ] + APIParameter.span("first seen") + APIParameter.page,
      answer: .page(
        of: FindingSchemas.finding, "A page of findings.",
        links: [
          .to("showFinding", "finding_id", from: "/items/0/id"),
          .to("acknowledgeFinding", "finding_id", from: "/items/0/id"),
        ])
    ) { call in
      let filter = FindingFilter(
        kind: call.query.choice("kind"), severity: call.query.choice("severity"),
        statuses: call.query.list("status").map { Set($0.compactMap(FindingStatus.init)) },
        firstSeen: call.query.span())
      return try .page(await registry.findings.list(tenant: call.tenant, filter: filter, page: call.query.page))
    }
  }

  private static func show(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .get, "/v1/findings/{finding_id}", id: "showFinding", tag: .findings, scope: .findingsRead,
      summary: "Show a finding", description: "One finding with its evidence spelt out.",
      parameters: [.path("finding_id", .uuid, "The finding's id.")], hasEntityTag: true,
      answer: .ok(FindingSchemas.detail, "The finding and its evidence.")
    ) { call in
      let detail = call.shown(try await registry.findings.show(tenant: call.tenant, call.id("finding_id")))
      var still = detail
      still.finding.ageSeconds = 0
      return try .json(detail, still: still)
    }
  }

  private static func undo(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/findings/{finding_id}/undo", id: "undoRepair", tag: .findings, scope: .findingsWrite,
      summary: "Undo the repair of a finding",
      description: """
        Takes the effect of the finding's repair back by a later correction. Terra is asked first: what the repair ended \
        lives again if Terra has it authenticated, what it confirmed ends if Terra does not know it. The finding is then \
        open, and the next run judges it.
        """,
      parameters: [.path("finding_id", .uuid, "The finding's id.")], body: FindingSchemas.newUndo, idempotency: .kept,
      answer: .ok(FindingSchemas.finding, "The finding, open again."),
      problems: [.repairNotUndoable, .shadowMode] + ProblemCode.ofCallsToTerra, timeLimit: timeLimit
    ) { call in
      let words = try call.body(UndoBody.self)
      return try .json(
        await registry.reconciliations.undoRepair(
          tenant: call.tenant, finding: call.id("finding_id"), by: words.by, reason: words.reason))
    }
  }

  private static func acknowledge(_ registry: ConnectionRegistry) -> APIOperation {
    APIOperation(
      .post, "/v1/findings/{finding_id}/acknowledge", id: "acknowledgeFinding", tag: .findings, scope: .findingsWrite,
      summary: "Acknowledge a finding",
      description: """
        Says that somebody has taken a finding on: it stands, but is no news until `until`. Said again with other words \
        it takes their place.
        """,
      parameters: [.path("finding_id", .uuid, "The finding's id.")], body: FindingSchemas.newAcknowledgement,
      idempotency: .kept, answer: .ok(FindingSchemas.finding, "The finding, acknowledged."),
      problems: [.findingResolved]
    ) { call in
      let words = try call.body(AcknowledgementBody.self)
      return try .json(
        await registry.findings.acknowledge(
          tenant: call.tenant, id: call.id("finding_id"), by: words.by, reason: words.reason, until: words.until))
    }
  }
}

/// The body of `POST /v1/findings/{finding_id}/undo`.
struct UndoBody: StrictBody {
  var by: String
  var reason: String
}

/// The body of `POST /v1/findings/{finding_id}/acknowledge`.
struct AcknowledgementBody: StrictBody {
  var by: String
  var reason: String
  var until: Date?
}

/// The body of `POST /v1/reconciliations`.
struct NewReconciliationBody: StrictBody {
  var full: Bool?
  var provider: Bool?
  var repair: RepairMode?
}

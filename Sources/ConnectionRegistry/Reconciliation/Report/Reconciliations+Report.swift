public import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

extension Reconciliations {
  /// How far back a report looks, where nothing else is said.
  public static let defaultReportSpan: Duration = .seconds(7 * 86_400)

  /// Between which bounds latencies are counted, in seconds.
  static let latencyBounds: [Double] = [-600, -60, -10, -1, 0, 1, 10, 60, 600]

  /// Reports how a tenant's channels agree.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - runID: the run it is about; nil is the last that is complete.
  ///   - since: from when on sessions count; nil is ``defaultReportSpan`` ago.
  ///   - comparedWith: an earlier run whose findings are compared with this one's.
  /// - Returns: the report; findings and connections as they are now.
  /// - Throws: `tenant_unknown`, `not_found` where there is no such run, `invalid_request` where one of two runs that are
  ///   compared has not ended or the other is not the earlier one, `database_unavailable`.
  public func report(
    tenant slug: String, _ runID: UUID? = nil, since: Date? = nil, comparedWith: UUID? = nil
  ) async throws -> ReconciliationReport {
    let tenant = try await directory.tenant(slug)
    let id = PostgresParameter.uuid(tenant.id)
    let run =
      if let runID { try await show(tenant, runID) } else { try await list(tenant: slug).items.first { $0.isDone } }
    let other: ReconciliationRun? = if let comparedWith { try await show(tenant, comparedWith) } else { nil }
    let since = since ?? Date().addingTimeInterval(-Self.defaultReportSpan.inSeconds)
    let grace = PostgresParameter.double(timing.grace(of: tenant))
    let ages = FindingAge.allCases.dropLast().map { "\($0.upperBound)" }
    var statements = [
      RegistryStatements.reportFunnel(id, grace, .timestamp(since)),
      RegistryStatements.reportLatency(
        id, grace, .timestamp(since), .textArray(Self.latencyBounds.map { "\($0)" })),
      RegistryStatements.reportFindings(id, .textArray(ages)), RegistryStatements.reportLeft(id),
    ]
    if let other {
      guard let run, let end = run.finishedAt, let begin = other.finishedAt, begin <= end else {
        throw RegistryError.invalid("compare", "an earlier run that has ended, beside one that has ended")
      }
      statements.append(RegistryStatements.reportComparison(id, .timestamp(begin), .timestamp(end)))
    }
    let results = try await database.run(tenant.id, compiles: false, statements)
    return ReconciliationReport(
      tenant: slug, since: since, madeAt: Date(), run: run, comparedWith: other,
      funnel: try results[0].rows.map(ReconciliationReport.Funnel.init(row:)),
      findings: try results[2].rows.map(ReconciliationReport.Standing.init(row:)),
      left: try results[3].rows.map(ReconciliationReport.Left.init(row:)),
      latency: try ReconciliationReport.Latency(rows: results[1].rows, bounds: Self.latencyBounds),
      comparison: results.count > 4 ? try results[4].rows.map(ReconciliationReport.Comparison.init(row:)) : nil)
  }
}

extension ReconciliationReport.Funnel {
  init(row: PostgresRow) throws {
    self.init(
      resource: try row.decodeIfPresent("resource"), sessions: try row.decode("sessions"),
      returned: try row.decode("returned"), confirmed: try row.decode("confirmed"), live: try row.decode("live"))
  }
}

extension ReconciliationReport.Standing {
  init(row: PostgresRow) throws {
    guard let severity = FindingSeverity(rawValue: try row.decode("severity")) else { throw FindingKind.unknown }
    let bucket = try row.decode("bucket", as: Int.self)
    self.init(
      kind: try FindingKind(column: row.decode("kind")), severity: severity,
      age: FindingAge.allCases[min(max(bucket, 0), FindingAge.allCases.count - 1)], count: try row.decode("count"))
  }
}

extension ReconciliationReport.Left {
  init(row: PostgresRow) throws {
    self.init(
      kind: try FindingKind(column: row.decode("kind")), reason: try row.decode("reason"),
      count: try row.decode("count"), lastAt: try row.decode("last_at"))
  }
}

extension ReconciliationReport.Comparison {
  init(row: PostgresRow) throws {
    self.init(
      kind: try FindingKind(column: row.decode("kind")), new: try row.decode("new"),
      persisting: try row.decode("persisting"), resolved: try row.decode("resolved"))
  }
}

extension ReconciliationReport.Latency {
  init(rows: PostgresRows, bounds: [Double]) throws {
    var counts: [Int: Int64] = [:]
    for row in rows { counts[try row.decode("bucket")] = try row.decode("count", as: Int64.self) }
    let buckets = (0...bounds.count).map { number in
      Bucket(
        fromSeconds: number == 0 ? nil : bounds[number - 1],
        belowSeconds: number == bounds.count ? nil : bounds[number],
        count: counts[number] ?? 0)
    }
    let first = rows.first
    self.init(
      count: counts.values.reduce(0, +), p50Seconds: try first?.decode("p50"), p90Seconds: try first?.decode("p90"),
      p99Seconds: try first?.decode("p99"), buckets: buckets)
  }
}

extension FindingKind {
  static let unknown = RegistryError(.schemaNewer, "a finding is of a kind that this version does not know")

  init(column text: String) throws {
    guard let kind = FindingKind(rawValue: text) else { throw Self.unknown }
    self = kind
  }
}

import ConnectionRegistry
import Foundation
import RegistryModel

/// A report as one HTML page with its charts drawn inside: it loads nothing.
struct ReportPage {
  private let report: ReconciliationReport

  init(_ report: ReconciliationReport) { self.report = report }

  /// The page.
  var text: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
    <title>\(Self.escape(report.tenant)): reconciliation</title>
    <style>
    body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1b1f24 }
    table { border-collapse: collapse } th, td { padding: .2rem .8rem .2rem 0; text-align: left }
    td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } h2 { margin-top: 2rem }
    svg { display: block; max-width: 100% } svg text { font: 13px system-ui, sans-serif; fill: #1b1f24 }
    @media (prefers-color-scheme: dark) { body { background: #15181c; color: #e6e8eb } svg text { fill: #e6e8eb } }
    </style></head><body>
    <h1>\(Self.escape(report.tenant))</h1>
    <p>Made \(Self.time(report.madeAt)); sessions since \(Self.time(report.since)).</p>
    \(runs)
    <h2>From session to connection, by resource</h2>
    \(funnel)
    <h2>Findings that stand, by kind and age</h2>
    \(findings)
    \(left)
    <h2>From the browser's return to the event</h2>
    \(latency)
    \(comparison)
    </body></html>

    """
  }

  private var runs: String {
    let rows = [("Run", report.run), ("Compared with", report.comparedWith)].compactMap { name, run in
      run.map { run in
        """
        <tr><td>\(name)</td><td><code>\(run.runID.text)</code></td><td>\(run.outcome.rawValue)</td>\
        <td>\(run.finishedAt.map(Self.time) ?? "under way")</td><td class="n">\(run.examined)</td>\
        <td class="n">\(run.foundNew)</td><td class="n">\(run.persisting)</td><td class="n">\(run.resolved)</td></tr>
        """
      }
    }
    guard !rows.isEmpty else { return "<p>No run is complete yet.</p>" }
    return """
      <table><tr><th></th><th>id</th><th>outcome</th><th>ended</th><th class="n">examined</th><th class="n">new</th>\
      <th class="n">persisting</th><th class="n">resolved</th></tr>\(rows.joined())</table>
      """
  }

  private var funnel: String {
    guard !report.funnel.isEmpty else { return "<p>No sessions.</p>" }
    return BarChart(
      rows: report.funnel.map { part in
        BarChart.Row(
          label: part.resource ?? "not known",
          bars: [
            .init(name: "sessions", value: part.sessions), .init(name: "returned", value: part.returned),
            .init(name: "confirmed", value: part.confirmed), .init(name: "live", value: part.live),
          ])
      }, isStacked: false
    ).svg
  }

  private var findings: String {
    guard !report.findings.isEmpty else { return "<p>None.</p>" }
    var rows: [BarChart.Row] = []
    for standing in report.findings {
      let bar = BarChart.Bar(name: Self.words(standing.age), value: standing.count)
      if rows.last?.label == standing.kind.rawValue {
        rows[rows.count - 1].bars.append(bar)
      } else {
        rows.append(.init(label: standing.kind.rawValue, bars: [bar]))
      }
    }
    return BarChart(rows: rows, isStacked: true, order: FindingAge.allCases.map(Self.words)).svg
  }

  private var left: String {
    guard !report.left.isEmpty else { return "" }
    let rows = report.left.map { part in
      """
      <tr><td>\(part.kind.rawValue)</td><td>\(Self.escape(part.reason))</td><td class="n">\(part.count)</td>\
      <td>\(Self.time(part.lastAt))</td></tr>
      """
    }
    return """
      <h2>What repairs have left open</h2><table><tr><th>kind</th><th>why</th><th class="n">findings</th>\
      <th>last tried</th></tr>\(rows.joined())</table>
      """
  }

  private var latency: String {
    let latency = report.latency
    guard latency.count > 0 else { return "<p>No session had both.</p>" }
    let text = [("p50", latency.p50Seconds), ("p90", latency.p90Seconds), ("p99", latency.p99Seconds)]
      .compactMap { name, value in value.map { "\(name) \(Self.seconds($0))" } }
    let chart = BarChart(
      rows: latency.buckets.map { bucket in
        let from = bucket.fromSeconds.map(Self.seconds)
        let below = bucket.belowSeconds.map(Self.seconds)
        let label =
          from.map { from in below.map { "\(from) to \($0)" } ?? "\(from) and more" } ?? "below \(below ?? "")"
        return .init(label: label, bars: [.init(name: "sessions", value: bucket.count)])
      }, isStacked: false)
    return "<p>\(latency.count) sessions, \(text.joined(separator: ", ")); below zero the event came first.</p>"
      + chart.svg
  }

  private var comparison: String {
    guard let comparison = report.comparison else { return "" }
    let rows = comparison.map { part in
      """
      <tr><td>\(part.kind.rawValue)</td><td class="n">\(part.new)</td><td class="n">\(part.persisting)</td>\
      <td class="n">\(part.resolved)</td></tr>
      """
    }
    return """
      <h2>Against the earlier run</h2><table><tr><th>kind</th><th class="n">new</th><th class="n">persisting</th>\
      <th class="n">resolved</th></tr>\(rows.joined())</table>
      """
  }

  private static func time(_ date: Date) -> String { date.formatted(.iso8601) }

  private static func seconds(_ value: Double) -> String {
    abs(value) >= 60
      ? "\((value / 60).formatted(.number.precision(.fractionLength(0...1)))) min"
      : "\(value.formatted(.number.precision(.fractionLength(0...1)))) s"
  }

  private static func words(_ age: FindingAge) -> String {
    switch age {
    case .underHour: "below an hour"
    case .underDay: "below a day"
    case .underWeek: "below a week"
    case .underMonth: "below 30 days"
    case .older: "older"
    }
  }

  static func escape(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}

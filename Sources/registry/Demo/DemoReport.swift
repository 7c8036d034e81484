import Foundation

/// The result as text for people.
struct DemoReport: Sendable {
  private let outcome: DemoOutcome

  /// Prepares the report.
  ///
  /// - Parameter outcome: what the demo came to.
  init(_ outcome: DemoOutcome) { self.outcome = outcome }

  /// The whole report, line by line.
  var lines: [String] {
    [""] + self.story + [""] + self.table + self.differences + [""] + self.examples + self.verdict
  }

  private var story: [String] {
    let figures = self.outcome.figures
    var rows = [
      ["app users", Self.count(self.outcome.appUsers)],
      ["sessions opened", Self.count(figures.sessions) + self.afterRepetitions],
      [
        "webhooks emitted",
        "\(Self.count(figures.webhooks)), of which \(Self.count(figures.dropped)) were never sent",
      ],
      [
        "webhook deliveries",
        "\(Self.count(figures.tries)): \(Self.count(figures.accepted)) accepted, "
          + "\(Self.count(figures.duplicates)) duplicates, \(Self.count(figures.rejected)) rejected, "
          + "\(Self.count(figures.unanswered)) unanswered",
      ],
      [
        "webhook intake",
        "p50 \(Self.milliseconds(figures.webhookMedian)), p99 \(Self.milliseconds(figures.webhookP99)), "
          + "durable before the 200; \(DemoOutcome.build) build"
          + (DemoOutcome.build == "debug" ? ", so no benchmark" : ""),
      ],
      [
        "callbacks",
        "\(Self.count(figures.callbacks)): \(Self.count(figures.sentOn)) sent on, "
          + "\(Self.count(figures.turnedAway)) with an unknown token, "
          + "\(Self.count(figures.unansweredCallbacks)) unanswered",
      ],
      [
        "reconcile",
        "\(DemoTenant.all.count) tenants in " + String(format: "%.1f s", self.outcome.reconcileSeconds),
      ],
    ]
    if self.outcome.kills > 0 {
      rows.append(["kill -9", "\(self.outcome.kills) of the service, in the middle of the traffic"])
    }
    if !self.outcome.problems.isEmpty {
      rows.append(["in the demo itself", self.outcome.problems.joined(separator: "; ")])
    }
    let layout = TableLayout(rows: rows, alignments: [.leading, .leading])
    return rows.map { layout.line($0) }
  }

  private var afterRepetitions: String {
    self.outcome.repetitions == 0 ? "" : " (\(Self.count(self.outcome.repetitions)) requests had to be repeated)"
  }

  private var table: [String] {
    let header = ["finding", "expected", "found", ""]
    let rows = self.outcome.comparison.kinds.map { kind in
      [kind.kind, String(kind.expected), String(kind.found), Self.judgement(kind)]
    }
    let layout = TableLayout(
      rows: [header] + rows, alignments: [.leading, .trailing, .trailing, .leading])
    return ([header] + rows).map { layout.line($0) }
  }

  private static func judgement(_ kind: DemoComparison.Kind) -> String {
    guard kind.agrees else { return "DIFFERS" }
    return kind.expected > 0 ? "agrees" : "NEVER HAPPENED"
  }

  private var differences: [String] {
    let comparison = self.outcome.comparison
    var lines: [String] = []
    for kind in comparison.kinds where !kind.agrees {
      for (name, subjects) in [("missing", kind.missing), ("surplus", kind.surplus)] {
        lines += subjects.prefix(5).map { "  \(kind.kind), \(name): \($0.tenant) \($0.subject)" }
        if subjects.count > 5 { lines.append("  … and \(subjects.count - 5) more") }
      }
    }
    lines += comparison.breaches.prefix(10).map { "  \($0.check): \($0.tenant) \($0.subject)" }
    return lines.isEmpty ? [] : [""] + lines
  }

  private var examples: [String] {
    guard !self.outcome.examples.isEmpty else { return [] }
    var lines = ["One finding of each kind, with its evidence:"]
    for finding in self.outcome.examples {
      lines += [
        "",
        "\(finding[path: "kind"].cell) (\(finding[path: "severity"].cell), \(finding[path: "tenant"].cell))",
        "  " + StandardOutput.printable(finding[path: "summary"].cell),
        "  about \(finding[path: "subject.type"].cell) " + StandardOutput.printable(finding[path: "subject.id"].cell),
      ]
      guard case .array(let evidence) = finding[path: "evidence"] else { continue }
      let rows = evidence.prefix(4).map { item in
        [item[path: "type"].cell, StandardOutput.printable(item[path: "id"].cell), item[path: "at"].cell]
      }
      let layout = TableLayout(rows: rows, alignments: [.leading, .leading, .leading])
      lines += rows.map { "    " + layout.line($0) }
      if evidence.count > rows.count { lines.append("    … and \(evidence.count - rows.count) more") }
    }
    return lines + [""]
  }

  private var verdict: [String] {
    let comparison = self.outcome.comparison
    let found = comparison.kinds.reduce(0) { $0 + $1.found }
    let time = String(format: "%.0f s", self.outcome.seconds)
    var lines: [String]
    if self.outcome.holds {
      let kinds = comparison.kinds.count { $0.expected > 0 }
      lines = [
        "Expected and found agree: \(Self.count(found)) findings of \(kinds) kinds, and nothing that was acknowledged "
          + "is missing. Seed \(self.outcome.seed), \(time)."
      ]
    } else if comparison.agrees {
      lines = ["Expected and found agree, but not every kind happened. Seed \(self.outcome.seed), \(time)."]
    } else {
      lines = ["Expected and found DIFFER. Seed \(self.outcome.seed), \(time)."]
    }
    if comparison.decidedByTheRegistry > 0 {
      lines.append(
        "\(comparison.decidedByTheRegistry) tries broke off or straddled a threshold; what became of those was taken "
          + "from the registry.")
    }
    return lines
  }

  private static func count(_ number: Int) -> String {
    number.formatted(.number.locale(Locale(identifier: "en_US")))
  }

  private static func milliseconds(_ seconds: Double) -> String {
    String(format: "%.1f ms", seconds * 1000)
  }
}

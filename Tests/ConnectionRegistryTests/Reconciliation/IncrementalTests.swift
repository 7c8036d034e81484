@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// Runs over windows find what one run over everything finds.
@Suite(.migratedDatabase) struct IncrementalTests {
  @Test(arguments: 0..<4) func randomHistoriesGiveTheSameOverWindowsAndOverEverything(_ number: UInt64) async throws {
    let seed = TestSeed.take("randomHistoriesGiveTheSameOverWindowsAndOverEverything(\(number))") &+ number
    try await withStage(StageSettings(sessionExpiry: .seconds(3_000))) { stage in
      var generator = SeededGenerator(seed: seed)
      var history = History(stage: stage)
      for _ in 0..<70 { try await history.act(&generator) }
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      let incremental = try await Self.findings(stage)
      try await stage.owner.execute("UPDATE registry.reconciliation_state SET watermark = NULL")
      _ = try await stage.registry.reconciliations.run(tenant: "acme")
      let full = try await Self.findings(stage)
      #expect(incremental == full, "\(history.log.joined(separator: "\n"))")
    }
  }

  static func findings(_ stage: Stage) async throws -> [String] {
    try await stage.allFindings().map { finding in
      let evidence = finding.evidence.map { "\($0.type):\($0.id)" }.sorted().joined(separator: ",")
      return "\(finding.kind.rawValue) \(finding.subject.id) \(finding.reasonCode) \(evidence)"
    }.sorted()
  }

  struct History {
    let stage: Stage
    var sessions: [OpenedSession] = []
    var log: [String] = []

    static let users = (0..<6).map { "u\($0)" }
    static let people = ["a", "b"]

    mutating func act(_ generator: inout SeededGenerator) async throws {
      let user = ids.randomElement(using: &generator) ?? "u"
      let other = ids.randomElement(using: &generator) ?? "u"
      let person = Bool.random(using: &generator) ? Self.people.randomElement(using: &generator) : nil
      let session = sessions.randomElement(using: &generator)
      let at = -Double.random(in: 0...4_000, using: &generator)
      let widget = Bool.random(using: &generator) ? session?.session.terraSessionID : nil
      switch Int.random(in: 0..<16, using: &generator) {
      case 0, 1:
        let opened = try await stage.open(Bool.random(using: &generator) ? "FITBIT" : nil, reference: person)
        sessions.append(opened)
        log.append("session \(opened.session.kind) \(person ?? "-") \(opened.session.userID ?? "-")")
      case 2, 3, 4, 5:
        log.append("auth \(user) \(person ?? "-") \(at) \(widget ?? "-")")
        try await stage.deliver(Delivery(Payload.auth(user, reference: person, widgetSession: widget), at: at))
      case 6:
        log.append("deauth \(user) \(at)")
        try await stage.deliver(Delivery(Payload.deauth(user), at: at))
      case 7, 8:
        log.append("reauth \(other) \(user) \(person ?? "-") \(at)")
        try await stage.deliver(
          Delivery(Payload.reauth(from: other, to: user, oldReference: nil, newReference: person), at: at))
      case 9, 10, 11:
        guard let session else { return }
        let outcome: RedirectCallback.Outcome = Int.random(in: 0..<4, using: &generator) == 0 ? .failure : .success
        log.append("visit \(session.session.kind) \(user) \(person ?? "-") \(outcome)")
        try await stage.visit(session.token, "user_id=\(user)&reference_id=\(person ?? "null")", outcome: outcome)
      case 12, 13:
        let seconds = Double(Int.random(in: 1...4_000, using: &generator))
        log.append("pass \(seconds)")
        try await stage.letPass(seconds: seconds)
      default:
        log.append("run")
        _ = try await stage.registry.reconciliations.run(tenant: "acme")
      }
    }

    var ids: [String] { Self.users + sessions.compactMap(\.session.userID) }
  }
}

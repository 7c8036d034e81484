import Foundation
import TestRandom

/// Sessions, callbacks, events and connections of one tenant, mostly as they should be, and in part bent in every way that
/// their columns allow. They need not fit each other: what the statements read are rows.
struct RandomFacts {
  /// One row of a table: its columns as JSON has them.
  typealias Row = [String: String]

  private(set) var sessions: [Row] = []
  private(set) var callbacks: [Row] = []
  private(set) var events: [Row] = []
  private(set) var connections: [Row] = []
  private(set) var merges: [Row] = []
  /// The app users whom a session and an event about it name, where these differ, and the id that the event is about.
  private var confused: [(own: String, named: String, user: String?)] = []
  /// Who was merged into whom, and when, of which the rows are what is left.
  private var joins: [(reference: String, into: String, at: String)] = []
  private var generator: SeededGenerator
  /// The earliest time; facts lie in the eight days after it.
  private let origin: Date

  init(seed: UInt64, origin: Date) {
    generator = SeededGenerator(seed: seed)
    self.origin = origin
    for number in 1...60 { attempt(number) }
    for number in 1...20 { stray(number) }
    for number in 1...60 where chance(0.9) { connection("u\(number)", "p\(number)") }
    for number in 61...100 { several("p\(number)") }
    let known = confused.filter { pair in
      connections.contains { row in
        row["user_id"] == pair.user && [pair.own, pair.named].contains(row["reference_id"])
      }
    }
    for _ in 0..<Int.random(in: 0...24, using: &generator) {
      let pair = chance(0.3) ? known.randomElement(using: &generator) : nil
      // Several into one of a few, so that who comes later meets who was there before.
      let into = pair?.named ?? (chance(0.5) ? "p\(Int.random(in: 98...100, using: &generator))" : few())
      joins.append((pair?.own ?? few(), into, time(near: nil)))
    }
    merges = merged(before: nil)
  }

  /// A moment in the middle of the facts.
  var middle: Date { origin.addingTimeInterval(350_000) }

  /// Only what was recorded before the middle, or only what was recorded after it.
  func half(isFirst: Bool) -> RandomFacts {
    let middle = middle.ISO8601Format(.init(includingFractionalSeconds: true))
    func part(_ rows: [Row], by column: String) -> [Row] { rows.filter { ($0[column] ?? "" < middle) == isFirst } }
    // Nobody comes back with the token of a session that is not there yet.
    let early = Set(callbacks.filter { $0["recorded_at"] ?? "" < middle }.compactMap { $0["attempt"] })
    var half = self
    half.sessions = sessions.filter { row in
      (row["created_at"] ?? "" < middle || early.contains(row["number"] ?? "")) == isFirst
    }
    half.callbacks = part(callbacks, by: "recorded_at")
    half.events = part(events, by: "recorded_at")
    half.connections = part(connections, by: "recorded_at")
    half.merges = isFirst ? merged(before: middle) : part(merges, by: "recorded_at")
    return half
  }

  private mutating func chance(_ likelihood: Double) -> Bool {
    Double.random(in: 0..<1, using: &generator) < likelihood
  }

  /// What the merges before a moment have left: whoever was merged into somebody who is merged later moves on.
  private func merged(before end: String?) -> [Row] {
    var left: [String: (into: String, at: String)] = [:]
    for join in joins.sorted(by: { $0.at < $1.at }) where join.at < end ?? "z" {
      let into = left[join.into]?.into ?? join.into
      guard left[join.reference] == nil, into != join.reference else { continue }
      left[join.reference] = (into, join.at)
      for (reference, row) in left where row.into == join.reference { left[reference] = (into, join.at) }
    }
    return left.map { ["reference_id": $0, "into_reference_id": $1.into, "recorded_at": $1.at] }
  }

  /// One of the app users who have several connections.
  private mutating func few() -> String { "p\(Int.random(in: 61...100, using: &generator))" }

  private mutating func pick(_ prefix: String) -> String { "\(prefix)\(Int.random(in: 1...60, using: &generator))" }

  /// A time in the eight days, or within minutes of another.
  private mutating func time(near other: Date?) -> String {
    let moment =
      other?.addingTimeInterval(Double.random(in: 0...240, using: &generator))
      ?? origin.addingTimeInterval(Double.random(in: 0...700_000, using: &generator))
    return moment.ISO8601Format(.init(includingFractionalSeconds: true))
  }

  /// One value, now and then nothing or somebody else's.
  private mutating func bent(_ value: String, _ others: String) -> String? {
    if chance(0.04) { return nil }
    return chance(0.04) ? pick(others) : value
  }

  private mutating func attempt(_ number: Int) {
    let began = origin.addingTimeInterval(Double.random(in: 0...600_000, using: &generator))
    let isWidget = chance(0.5)
    var session: Row = [
      "number": "\(number)", "kind": isWidget ? "widget" : "direct", "created_at": time(near: began),
      "return_success": "https://app.example/", "return_failure": "https://app.example/",
    ]
    session["reference_id"] = bent("p\(number)", "p")
    session["resource"] = isWidget ? nil : "FITBIT"
    session["user_id"] = isWidget ? nil : bent("u\(number)", "u")
    // Terra gives each session an id of its own.
    session["terra_session_id"] = chance(isWidget ? 0.96 : 0.1) ? "w\(number)" : nil
    sessions.append(session)
    let before = events.count
    for _ in 0..<(chance(0.1) ? 2 : 1) where chance(0.95) {
      event("u\(number)", "p\(number)", widget: isWidget ? "w\(number)" : nil, near: chance(0.9) ? began : nil)
    }
    // Another event about the same id soon after, which tells another story.
    if chance(0.1) {
      let later = began.addingTimeInterval(Double.random(in: 0...1_500, using: &generator))
      event("u\(number)", chance(0.5) ? pick("p") : "p\(number)", widget: chance(0.5) ? pick("w") : nil, near: later)
    }
    for _ in 0..<(chance(0.1) ? 2 : 1) where chance(0.95) {
      callback("\(number)", "u\(number)", "p\(number)", near: chance(0.9) ? began : nil)
    }
    // Of a session that names nobody itself a merge is noticed in its turn only, as of an id without a connection.
    if let own = session["reference_id"] {
      for event in events[before...] {
        if let named = event["reference_id"], named != own { confused.append((own, named, event["user_id"])) }
      }
    }
    if chance(0.1) { again(number) }
  }

  /// A second attempt that gets the same id at another resource: each is as it should be, but not beside the other.
  private mutating func again(_ number: Int) {
    let began = origin.addingTimeInterval(Double.random(in: 0...600_000, using: &generator))
    let (at, told) = (time(near: began), time(near: began.addingTimeInterval(240)))
    let same = ["user_id": "u\(number)", "reference_id": "p\(number)", "resource": "OURA"]
    sessions.append([
      "number": "again-\(number)", "kind": "direct", "created_at": at, "user_id": "u\(number)",
      "reference_id": "p\(number)", "resource": "OURA", "return_success": "https://app.example/",
      "return_failure": "https://app.example/",
    ])
    events.append(same.merging(["recorded_at": told, "occurred_at": told, "kind": "auth_success"]) { $1 })
    callbacks.append(same.merging(["recorded_at": told, "attempt": "again-\(number)", "outcome": "success"]) { $1 })
  }

  /// Facts that no attempt explains.
  private mutating func stray(_ number: Int) {
    if chance(0.3) { event(pick("u"), pick("p"), widget: chance(0.5) ? pick("w") : nil, near: nil) }
    if chance(0.3) { callback("unknown-\(number)", pick("u"), pick("p"), near: nil) }
    if chance(0.2) { callback("\(Int.random(in: 1...60, using: &generator))", pick("u"), pick("p"), near: nil) }
  }

  private mutating func event(_ user: String, _ person: String, widget: String?, near began: Date?) {
    let at = time(near: began)
    var row: Row = ["recorded_at": at, "occurred_at": at, "kind": "auth_success"]
    if chance(0.05) {
      row["occurred_at"] = origin.addingTimeInterval(-7_200).ISO8601Format(.init(includingFractionalSeconds: true))
    }
    if chance(0.1) {
      row["kind"] = ["auth_failure", "user_reauth", "deauthentication", "connection_error"].randomElement(
        using: &generator)
    }
    row["user_id"] = bent(user, "u")
    row["reference_id"] = bent(person, "p")
    row["resource"] = chance(0.95) ? "FITBIT" : chance(0.5) ? "OURA" : nil
    row["widget_session_id"] = widget.flatMap { bent($0, "w") }
    if row["kind"] == "user_reauth" {
      row["old_user_id"] = pick("u")
      row["old_reference_id"] = pick("p")
    }
    events.append(row)
  }

  private mutating func callback(_ attempt: String, _ user: String, _ person: String, near began: Date?) {
    var row: Row = [
      "attempt": attempt, "outcome": chance(0.93) ? "success" : "failure", "recorded_at": time(near: began),
    ]
    row["user_id"] = bent(user, "u")
    row["reference_id"] = bent(person, "p")
    row["resource"] = chance(0.95) ? "FITBIT" : chance(0.5) ? "OURA" : nil
    callbacks.append(row)
  }

  /// The connections of an app user who has several, or none, with or without the events that began them. Of some nothing is
  /// new after the middle.
  private mutating func several(_ person: String) {
    let isQuiet = chance(0.7)
    for _ in 0..<Int.random(in: 0...4, using: &generator) {
      let user = "v\(connections.count)"
      let began = origin.addingTimeInterval(Double.random(in: 0...(isQuiet ? 300_000 : 600_000), using: &generator))
      if chance(0.5) { event(user, person, widget: nil, near: began) }
      connection(user, person, near: began)
    }
  }

  private mutating func connection(_ user: String, _ person: String, near began: Date? = nil) {
    var row: Row = ["user_id": user, "recorded_at": time(near: began)]
    row["reference_id"] = bent(person, "p")
    row["resource"] = chance(0.95) ? "FITBIT" : chance(0.5) ? "OURA" : nil
    if let near = events.first(where: { $0["user_id"] == user })?["recorded_at"], chance(0.8) {
      row["recorded_at"] = near
    }
    if chance(0.9) { row["alive_key"] = "0000000000000001:4:a" }
    if chance(0.05) { row["revoked_key"] = "0000000000000002:5:a" }
    let heir = events.first { $0["old_user_id"] == user }?["user_id"]
    if chance(heir == nil ? 0.05 : 0.8) {
      row["superseded_by"] = heir ?? pick("u")
      row["superseded_key"] = chance(0.5) ? "0000000000000003:7:a" : nil
    }
    connections.append(row)
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import Testing

/// Looks for names in every column of every table that can hold one: a column that is added later is searched as well.
enum Traces {
  /// The rows that hold one of some names as a whole: as the column's value, as a JSON string, or as a parameter's value.
  static func rows(_ stage: Stage, naming names: [String]) async throws -> Set<String> {
    var found: Set<String> = []
    for (table, columns) in try await columns(stage) {
      let matches = columns.map { name, type in
        type == "bytea"
          ? "position(convert_to(to_jsonb(n.name)::text, 'UTF8') IN x.\(name)) > 0"
          : """
          x.\(name)::text = n.name OR strpos(x.\(name)::text, to_jsonb(n.name)::text) > 0
            OR strpos(x.\(name)::text, to_jsonb(to_jsonb(n.name)::text)::text) > 0
            OR strpos('&' || x.\(name)::text || '&', '=' || n.name || '&') > 0
          """
      }.joined(separator: " OR ")
      let rows = try await stage.owner.execute(
        PostgresStatement(
          "SELECT DISTINCT x::text AS row FROM registry.\(table) x, unnest($1::text[]) AS n (name) WHERE \(matches)",
          [.textArray(names)]))
      for row in rows.rows { found.insert("\(table) \(try row.decode("row", as: String.self))") }
    }
    return found
  }

  /// The tables in which one of some names stands.
  static func tables(_ stage: Stage, naming names: [String]) async throws -> Set<String> {
    Set(try await rows(stage, naming: names).map { String($0.prefix { $0 != " " }) })
  }

  private static func columns(_ stage: Stage) async throws -> [String: [(name: String, type: String)]] {
    let rows = try await stage.owner.execute(
      """
      SELECT c.table_name::text AS table_name, c.column_name::text AS column_name, c.data_type::text AS data_type
      FROM information_schema.columns c
      JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
      WHERE c.table_schema = 'registry' AND t.table_type = 'BASE TABLE' AND c.table_name <> 'migration_log'
        AND c.data_type IN ('text', 'character varying', 'name', 'json', 'jsonb', 'bytea', 'ARRAY')
      """)
    var columns: [String: [(name: String, type: String)]] = [:]
    for row in rows.rows {
      columns[try row.decode("table_name", as: String.self), default: []].append(
        (try row.decode("column_name"), try row.decode("data_type")))
    }
    return columns
  }
}

/// Somebody with something of everything, and others beside them with names that resemble theirs.
enum ErasureWorld {
  /// As a team may name somebody: not in ASCII, and with what paths and JSON escape.
  static let person = #"zoë "東京"/42"#
  static let path = "/v1/app-users/zo%C3%AB%20%22%E6%9D%B1%E4%BA%AC%22%2F42"
  /// The names by which they could be found again.
  static let names = [person, "was-anonymous", "u1", "u2", "u3", "u4", "u-late", #"zo\u00eb \"\u6771\u4eac\"/42"#]
  /// Others: names that begin or end like theirs, an app user called like a connection of theirs, one called like the
  /// tenant, one who is a number, one who is a provider.
  static let twins = [
    "zoe", #"zoë "東京"/42 "#, #"zoë "東京"/4"#, "zoe\u{308} \"東京\"/42", "u12", "u-1", "x1", "acme", "1", "GARMIN", "x5",
    "x6", "x7", "x8", "x9",
  ]

  /// By what rows are known for the others'; the provider's and the tenant's name stand in rows of everybody.
  static var othersNames: [String] { twins.filter { !["GARMIN", "acme"].contains($0) } }

  /// Deliveries are written, and none is sent.
  static var settings: StageSettings {
    var deliveries = DeliveryConfiguration.forTests()
    deliveries.areSent = false
    return .delivering(deliveries)
  }

  /// The rows that name both them and others, which lose a name.
  static func shared(_ stage: Stage) async throws -> Set<String> {
    try await Traces.rows(stage, naming: names).intersection(Traces.rows(stage, naming: othersNames))
  }

  static func populate(_ http: HTTPStage, key: String) async throws {
    let stage = http.stage
    _ = try await stage.registry.endpoints.add(
      tenant: "acme",
      NewEndpoint(
        url: "http://127.0.0.1:9/", description: "nobody listens", findingTypes: Set(FindingTransitionType.allCases)))
    for (user, reference) in [
      ("u1", person), ("u3", "was-anonymous"), ("u12", "zoe"), ("u-1", person + " "), ("x1", "u-1"), ("x5", "acme"),
      ("x6", "1"), ("x7", "GARMIN"), ("x8", String(person.dropLast())), ("x9", "zoe\u{308} \"東京\"/42"),
    ] { try await stage.expect(Payload.auth(user, reference: reference), .accepted) }
    try await stage.expect(
      Payload.reauth(from: "u1", to: "u2", oldReference: person, newReference: person), .accepted)
    // Two live ids of one person at one provider are a finding about one of them.
    try await stage.expect(Payload.auth("u4", reference: person), .accepted)
    try await stage.expect(Payload.data("u2"), .data)
    for user in ["u-late", "u12"] {
      let reference = user == "u12" ? "zoe" : person
      try await stage.expect(Delivery(Payload.auth(user, reference: reference), at: -4 * 86_400), .quarantined)
    }
    for reference in [#"zo\u00eb \"\u6771\u4eac\"/42"#, "zoe"] {
      try await stage.expect(
        Delivery(#"{"type":"auth","status":"success","user":{"user_id":7,"reference_id":"\#(reference)"}}"#),
        .unreadable)
    }
    for reference in [person, "zoe"] {
      let session = try await stage.open("GARMIN", reference: reference)
      let query = reference == person ? "user_id=u2&reference_id=zo%C3%AB" : "user_id=u12"
      try await stage.visit(session.token, query)
      try await stage.visit("AAAAAAAAAAAAAAAAAAAAA\(reference == person ? "A" : "B")", query)
    }
    for tagged in [path, "/v1/connections/u2", "/v1/app-users/zoe", "/v1/connections/u12"] {
      let answer = try await http.send("PATCH", tagged, key: key, json: #"{"tags":{"note":"its own"}}"#)
      #expect(answer.status == 200, "\(answer.text)")
    }
    try await stage.expect(Payload.auth("u-1", reference: "zoe-before"), .accepted)
    for (source, target) in [("was-anonymous", person), ("zoe-before", "zoe")] {
      let merged = try await http.send(
        "POST", "/v1/app-users/\(source)/merge", key: key,
        json: String(decoding: try JSONEncoder().encode(["into": target]), as: UTF8.self),
        headers: [("Idempotency-Key", "merge-\(source)")])
      #expect(merged.status == 200, "\(merged.text)")
    }
    try await ObservedFact(.gone, of: "u3", askedAt: Date(), source: "api", reason: "unknown_to_terra")
      .write(stage.registry.database, tenantID: TenantID.of(slug: "acme"))
    _ = try await stage.registry.reconciliations.run(tenant: "acme", asksProvider: true)
    try await stage.letPass(seconds: 4_000)
    _ = try await stage.registry.reconciliations.run(tenant: "acme")
    // What no run of a moment leaves behind: a page of a listing, a place in the feed, a subject, findings for operators.
    for text in rest { try await stage.owner.execute(PostgresStatement(text)) }
  }

  private static let rest: [String] = {
    let tenant = "(SELECT tenant_id FROM registry.tenant)"
    func finding(_ kind: String, _ type: String, _ subject: String, witness: String, isOperators: Bool) -> String {
      let evidence =
        (type == "tenant" ? #"{"type":"tenant","id":"1"},"# : "") + #"{"type":"user_id","id":"\#(witness)"}"#
      return """
        INSERT INTO registry.finding (tenant_id, finding_id, kind, severity, reason_code, family, subject_type, subject,
          evidence, first_seen_at, last_seen_at, opened_run, last_seen_run, for_operators)
        VALUES (\(tenant), md5('\(kind)\(type)\(subject)')::uuid, '\(kind)', 'critical', 'r', 'claim', '\(type)',
          '\(subject)', '[\(evidence)]', now(), now(),
          md5('r')::uuid, md5('r')::uuid, \(isOperators))
        """
    }
    var texts = [
      """
      INSERT INTO registry.provider_listing (tenant_id, listing_id, started_at, asked_at)
      VALUES (\(tenant), md5('l')::uuid, now(), now()) ON CONFLICT DO NOTHING
      """,
      finding("cross_tenant_claim", "user_id", "u2", witness: "u2", isOperators: true),
      finding("cross_tenant_claim", "user_id", "u12", witness: "u12", isOperators: true),
      finding("signature_failing", "tenant", "acme", witness: "u2", isOperators: false),
      """
      INSERT INTO registry.audit_entry (tenant_id, audit_id, actor, action, subject, detail)
      VALUES (\(tenant), md5('a')::uuid, 'o', 'event.ingest', 'acme', '{"lines":"1","accepted":"1","into":"zoe"}')
      """,
    ]
    // What is of others and names them: what Terra says of a connection, whom a session was given and replaces, and by
    // whom a connection was superseded.
    texts += [
      """
      INSERT INTO registry.provider_listing_user (tenant_id, listing_id, user_id, reference_id, asked_at)
      VALUES (\(tenant), md5('l')::uuid, 'x9', '\(person)', now())
      """,
      "UPDATE registry.auth_session SET user_id = 'u4', replaces = 'u2' WHERE reference_id = 'zoe'",
      """
      UPDATE registry.connection SET superseded_by = 'u1', superseded_key = '0000000000000000:0:x9' WHERE user_id = 'x9'
      """,
    ]
    for (user, reference) in [("u2", "was-anonymous"), ("u12", "zoe")] {
      texts += [
        """
        INSERT INTO registry.provider_listing_user (tenant_id, listing_id, user_id, reference_id, asked_at)
        VALUES (\(tenant), md5('l')::uuid, '\(user)', '\(reference)', now())
        """,
        """
        INSERT INTO registry.provider_difference (tenant_id, listing_id, user_id)
        VALUES (\(tenant), md5('l')::uuid, '\(user)')
        """,
        """
        INSERT INTO registry.change_consumer (tenant_id, name, position, user_id, sequence)
        VALUES (\(tenant), 'mirror-\(user)', 1, '\(user)', 1)
        """,
        """
        INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
        VALUES (\(tenant), md5('r')::uuid, 'user_id', '\(user)')
        """,
      ]
    }
    return texts
  }()
}

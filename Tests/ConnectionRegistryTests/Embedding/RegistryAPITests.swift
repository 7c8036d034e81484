@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// The functions of the schema `registry_api`, called by a login of a team as it would in its own transactions.
@Suite("registry_api", .migratedDatabase)
struct RegistryAPITests {
  private static let calls = [
    "SELECT * FROM registry_api.connections('acme', 'person-1')",
    "SELECT * FROM registry_api.connection('acme', 'u1')",
    "SELECT registry_api.app_user_ensure('acme', 'person-9')",
    "SELECT * FROM registry_api.changes('acme', 'c')",
    "SELECT registry_api.acknowledge('acme', 'c', '0:0:')",
    "SELECT registry_api.app_user_tag('acme', 'person-1', 'a', 'b')",
    "SELECT registry_api.app_user_untag('acme', 'person-1', 'a')",
    "SELECT registry_api.connection_tag('acme', 'u1', 'a', 'b')",
    "SELECT registry_api.connection_untag('acme', 'u1', 'a')",
  ]

  @Test("refuses a login without a place at the tenant or without the role, and shows it no table")
  func refuses() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      try await stage.deliver(Payload.auth("u1"))
      for (isMember, tenants) in [(true, []), (true, ["globex"]), (false, ["acme"])] {
        try await withLogin(stage, isMember: isMember, at: tenants) { connection in
          for call in Self.calls + [
            "SELECT registry_api.enter('acme')",
            "SELECT registry_api.change_tag('\(TenantID.of(slug: "acme").text)', 'connection', 'u1', 'a', true, 'b')",
            "SELECT registry_api.hold_connection('\(TenantID.of(slug: "acme").text)', 'u1')",
            "SELECT registry_api.hold_app_user('\(TenantID.of(slug: "acme").text)', 'person-1')",
            "SELECT * FROM registry.connection", "SELECT * FROM registry.tenant",
            "SELECT * FROM registry.embedder", "SET ROLE registry_embedding", "SET ROLE registry_service",
          ] {
            let error = await #expect(throws: PostgresError.self, "\(call)") { try await connection.execute(call) }
            #expect(error?.sqlState == .insufficientPrivilege, "\(call): \(String(describing: error))")
          }
        }
      }
      // A tenant that does not exist is refused in the same words.
      try await withLogin(stage, at: ["globex"]) { connection in
        var messages: Set<String> = []
        for slug in ["acme", "nobody"] {
          let error = await #expect(throws: PostgresError.self) {
            try await connection.execute("SELECT * FROM registry_api.connection('\(slug)', 'u')")
          }
          messages.insert("\(error.map { "\($0)" } ?? "")")
        }
        #expect(messages.count == 1)
      }
      try await stage.owner.execute("UPDATE registry.tenant SET disabled_at = now() WHERE slug = 'globex'")
      #expect(try await stage.count("change_consumer") == 0)
      #expect(try await stage.count("tag") == 0)
    }
  }

  @Test("holds a login to its tenants whatever it sets, and leaves its settings as they were")
  func holds() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      try await stage.deliver(Payload.auth("mine"), tenant: "acme")
      try await stage.deliver(Payload.auth("theirs"), tenant: "globex")
      let theirs = TenantID.of(slug: "globex").text
      try await withLogin(stage, at: ["acme"]) { connection in
        try await connection.execute("SET registry.tenant_id = '\(theirs)'")
        try await connection.execute("SET search_path = pg_temp")
        try await connection.execute("CREATE TEMP TABLE embedder (tenant_id uuid, login text)")
        let mine = try await texts(connection, "SELECT user_id FROM registry_api.connections('acme', 'person-1')")
        #expect(mine == ["mine"])
        #expect(try await texts(connection, "SELECT status FROM registry_api.connection('acme', 'mine')") == ["active"])
        #expect(try await texts(connection, "SELECT status FROM registry_api.connection('acme', 'theirs')") == [])
        #expect(try await texts(connection, "SELECT current_setting('registry.tenant_id')") == [theirs])
        try await connection.execute("BEGIN")
        _ = try await texts(connection, "SELECT registry_api.app_user_ensure('acme', 'person-9')")
        #expect(try await texts(connection, "SELECT current_setting('registry.tenant_id')") == [theirs])
        try await connection.execute("ROLLBACK")
        #expect(
          try await texts(connection, "SELECT registry_api.app_user_ensure('acme', 'person-9')::text") == ["true"])
        #expect(
          try await texts(connection, "SELECT registry_api.app_user_ensure('acme', 'person-9')::text") == ["false"])
      }
      #expect(
        try await stage.texts(
          "SELECT t.slug FROM registry.app_user a JOIN registry.tenant t USING (tenant_id) "
            + "WHERE a.reference_id = 'person-9'") == ["acme"])
    }
  }

  @Test("refuses cursors that it did not give, and numbers that make no sense")
  func refusesValues() async throws {
    try await withStage { stage in
      try await stage.deliver(Payload.auth("u1"))
      try await withLogin(stage, at: ["acme"]) { connection in
        let unknown = await #expect(throws: PostgresError.self) {
          try await connection.execute("SELECT registry_api.acknowledge('acme', 'c', '0:0:')")
        }
        #expect(unknown?.sqlState?.rawValue == "P0002")
        _ = try await texts(connection, "SELECT cursor FROM registry_api.changes('acme', 'c')")
        for call in [
          "acknowledge('acme', 'c', '')", "acknowledge('acme', 'c', NULL)", "acknowledge('acme', 'c', 'x')",
          "acknowledge('acme', 'c', '999999999999999999:1:u')", "acknowledge('acme', 'c', '-1:1:u')",
          "changes('acme', 'd', 0)", "changes('acme', 'd', -1)", "changes('acme', 'd', 1000000000)",
          "changes('acme', 'd', NULL)", "changes('acme', 'D')", "changes('acme', '')",
          "app_user_ensure('acme', '')",
        ] {
          let error = await #expect(throws: PostgresError.self, "\(call)") {
            try await connection.execute("SELECT registry_api.\(call)")
          }
          #expect(["22023", "23514"].contains(error?.sqlState?.rawValue), "\(call)")
        }
      }
      #expect(try await stage.texts("SELECT name FROM registry.change_consumer") == ["c"])
    }
  }

  @Test("names the app user that a connection's own was merged into, as the API does")
  func resolvesMerges() async throws {
    try await withStage { stage in
      try await stage.deliver(Payload.auth("u1", reference: "anonymous"))
      try await stage.deliver(Payload.auth("u2", reference: "person"))
      _ = try await stage.registry.appUsers.merge(tenant: "acme", "anonymous", into: "person", by: "test")
      try await withLogin(stage, at: ["acme"]) { connection in
        let of = { (person: String) in
          try await texts(connection, "SELECT user_id FROM registry_api.connections('acme', '\(person)')")
        }
        #expect(try await of("person") == ["u1", "u2"])
        #expect(try await of("anonymous").isEmpty)
        let one = try await texts(connection, "SELECT reference_id FROM registry_api.connection('acme', 'u1')")
        #expect(one == ["person"])
        // Transactions of other tests hold the feed up until they end.
        var changes: [String] = []
        while changes.isEmpty {
          changes = try await texts(
            connection, "SELECT DISTINCT reference_id FROM registry_api.changes('acme', 'c')")
        }
        #expect(changes == ["person"])
      }
    }
  }

  @Test("gives every change exactly once to a projection that workers keep at the same time, some of which fail")
  func exactlyOnce() async throws {
    let seed = TestSeed.take("exactlyOnce")
    try await withStage { stage in
      for number in 0..<20 {
        try await stage.deliver(Payload.auth("u\(number % 7)"))
        try await stage.deliver(Payload.event("connection_error", user: "u\(number % 7)"))
      }
      let written = try await stage.texts("SELECT user_id || '/' || sequence FROM registry.connection_change")
      try await stage.owner.execute("CREATE TABLE public.applied (change text PRIMARY KEY)")
      try await withLogin(stage, at: ["acme"]) { connection in
        let login = try await texts(connection, "SELECT session_user::text")[0]
        try await stage.owner.execute("GRANT SELECT, INSERT ON public.applied TO \(login)")
        try await withThrowingTaskGroup(of: Void.self) { group in
          for worker in 0..<3 {
            group.addTask {
              try await connected(as: login, stage) { connection in
                var generator = SeededGenerator(seed: seed &+ UInt64(worker))
                var rest = written.count
                while rest > 0 {
                  try await connection.execute("BEGIN")
                  _ = try await texts(
                    connection,
                    """
                    WITH change AS MATERIALIZED (
                        SELECT * FROM registry_api.changes('acme', 'projection', 3) WITH ORDINALITY),
                      written AS (INSERT INTO public.applied SELECT user_id || '/' || sequence FROM change)
                    SELECT registry_api.acknowledge('acme', 'projection', cursor)::text
                    FROM change ORDER BY ordinality DESC LIMIT 1
                    """)
                  try await connection.execute(Bool.random(using: &generator) ? "COMMIT" : "ROLLBACK")
                  rest =
                    written.count
                    - (try await stage.count(
                      "connection_change c JOIN public.applied a "
                        + "ON a.change = c.user_id || '/' || c.sequence"))
                }
              }
            }
          }
          try await group.waitForAll()
        }
      }
      #expect(try await stage.texts("SELECT change FROM public.applied").sorted() == written.sorted())
    }
  }

  @Test("does what docs/embedding.md shows")
  func documentation() async throws {
    let file = URL(filePath: #filePath).appending(path: "../../../../docs/embedding.md").standardized
    let blocks = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "```sql\n").dropFirst()
      .map { $0.components(separatedBy: "\n```")[0] }
    #expect(blocks.count == 4)
    try await withStage { stage in
      try await stage.deliver(Payload.auth("u1"))
      _ = try await stage.changes(1)
      try await stage.owner.execute("CREATE TABLE public.person (id text PRIMARY KEY, name text)")
      try await stage.owner.execute(
        "CREATE TABLE public.device (user_id text PRIMARY KEY, person_id text, provider text, status text)")
      try await stage.owner.execute("CREATE TABLE public.subscription (person_id text PRIMARY KEY, plan text)")
      try await withLogin(stage, at: ["acme"]) { connection in
        let login = try await texts(connection, "SELECT session_user::text")[0]
        try await stage.owner.execute(
          "GRANT SELECT, INSERT, UPDATE ON public.person, public.device, public.subscription TO \(login)")
        func run(_ block: String) async throws {
          for statement in block.components(separatedBy: ";\n") {
            try await connection.execute(statement.trimmingCharacters(in: CharacterSet(charactersIn: ";\n")))
          }
        }
        func devices() async throws -> [String] {
          try await stage.texts(
            "SELECT concat_ws(' ', user_id, person_id, provider, status) FROM public.device ORDER BY user_id")
        }
        for block in blocks { try await run(block) }
        #expect(try await devices() == ["u1 person-1 FITBIT active"])
        #expect(
          try await stage.texts("SELECT reference_id FROM registry.app_user ORDER BY 1") == ["person-1", "person-2"])
        #expect(try await stage.registry.appUsers.find(tenant: "acme", "person-2").tags == ["plan": "pro"])
        try await stage.deliver(Payload.deauth("u1"))
        try await stage.deliver(Payload.auth("u2", reference: "person-2", resource: "GARMIN"))
        // Where the team's transaction fails, nothing was read.
        try await run(blocks[3].replacing("COMMIT", with: "ROLLBACK"))
        #expect(try await devices() == ["u1 person-1 FITBIT active"])
        while try await stage.registry.changes.consumers(tenant: "acme").contains(where: { $0.waiting > 0 }) {
          try await run(blocks[3])
        }
        #expect(try await devices() == ["u1 person-1 FITBIT deauthenticated", "u2 person-2 GARMIN active"])
      }
    }
  }
}

@testable import ConnectionRegistry
import Foundation
import RegistryPostgres
import TestDatabase
import TestRandom
import Testing

/// Tags inside a team's own transactions.
@Suite("registry_api: tags", .migratedDatabase, .timeLimit(.minutes(20)))
struct RegistryAPITagTests {
  private static func tags(_ stage: Stage, _ noun: String, _ id: String) async throws -> [String: String] {
    noun == "app_user"
      ? try await stage.registry.appUsers.find(tenant: "acme", id).tags
      : try await stage.registry.connections.find(tenant: "acme", id).tags
  }

  private static func call(
    _ connection: PostgresConnection, _ function: String, _ arguments: String?...
  ) async throws -> String {
    let places = (1...arguments.count + 1).map { "$\($0)::text" }.joined(separator: ", ")
    return try await texts(
      connection, "SELECT registry_api.\(function)(\(places))::text", [.text("acme")] + arguments.map { .text($0) })[0]
  }

  /// The SQLSTATE with which a call is refused.
  private static func refusal(
    _ connection: PostgresConnection, _ function: String, _ id: String, _ key: String?, _ value: String? = nil
  ) async throws -> String? {
    do {
      _ =
        function.hasSuffix("untag")
        ? try await call(connection, function, id, key) : try await call(connection, function, id, key, value)
      return nil
    } catch let error as PostgresError {
      return error.sqlState?.rawValue
    }
  }

  @Test(
    "are set and taken away, and each call says whether it changed something", arguments: ["app_user", "connection"])
  func areSet(noun: String) async throws {
    try await withStage { stage in
      try await stage.deliver(Payload.auth("x", reference: "x"))
      try await withLogin(stage, at: ["acme"]) { connection in
        let first = try await Self.call(connection, "\(noun)_tag", "x", "plan", "free")
        #expect(first == "true")
        #expect(try await Self.call(connection, "\(noun)_tag", "x", "plan", "free") == "false")
        #expect(try await Self.call(connection, "\(noun)_tag", "x", "plan", "pro") == "true")
        #expect(try await Self.call(connection, "\(noun)_tag", "x", "note", "") == "true")
        #expect(try await Self.tags(stage, noun, "x") == ["plan": "pro", "note": ""])
        #expect(try await Self.call(connection, "\(noun)_untag", "x", "plan") == "true")
        #expect(try await Self.call(connection, "\(noun)_untag", "x", "plan") == "false")
        #expect(try await Self.tags(stage, noun, "x") == ["note": ""])
        #expect(try await stage.count("tag") == 1)
      }
    }
  }

  @Test("stand or fall with the team's transaction", arguments: ["app_user", "connection"])
  func stand(noun: String) async throws {
    try await withStage { stage in
      try await stage.deliver(Payload.auth("x", reference: "x"))
      try await stage.owner.execute("CREATE TABLE public.note (id text PRIMARY KEY)")
      try await withLogin(stage, at: ["acme"]) { connection in
        let login = try await texts(connection, "SELECT session_user::text")[0]
        try await stage.owner.execute("GRANT INSERT ON public.note TO \(login)")
        _ = try await Self.call(connection, "\(noun)_tag", "x", "before", "1")
        for end in ["ROLLBACK", "COMMIT"] {
          try await connection.execute("BEGIN")
          try await connection.execute("INSERT INTO public.note VALUES ('\(end)')")
          _ = try await Self.call(connection, "\(noun)_tag", "x", "plan", end)
          _ = try await Self.call(connection, "\(noun)_untag", "x", "before")
          #expect(try await Self.tags(stage, noun, "x") == ["before": "1"])
          try await connection.execute(end)
        }
        #expect(try await Self.tags(stage, noun, "x") == ["plan": "COMMIT"])
        #expect(try await stage.texts("SELECT id FROM public.note") == ["COMMIT"])
        // The team's transaction fails with what is refused.
        try await connection.execute("BEGIN")
        _ = try await Self.call(connection, "\(noun)_tag", "x", "plan", "never")
        #expect(try await Self.refusal(connection, "\(noun)_tag", "x", "Plan", "x") == "22023")
        try await connection.execute("COMMIT")
        #expect(try await Self.tags(stage, noun, "x") == ["plan": "COMMIT"])
      }
    }
  }

  @Test("take the keys and values that the library takes, and no others")
  func sameRules() async throws {
    var generator = SeededGenerator(seed: TestSeed.take("sameRules"))
    let letters = Array("aazZ09_-. \n\tké😀%'\"\\")
    func random(_ count: ClosedRange<Int>) -> String {
      String(
        (0..<Int.random(in: count, using: &generator)).map { _ in letters.randomElement(using: &generator) ?? "a" })
    }
    let long = String(repeating: "é", count: 256)
    var cases = [
      ("a", ""), ("a", long), ("a", long + "é"), ("a", String(long.dropLast()) + "e\u{301}"), ("", "x"), ("1a", "x"),
      ("Plan", "x"), ("a b", "x"), ("a\n", "x"), ("\na", "x"), ("é", "x"), ("aé", "x"), ("_a", "x"), ("a_-.9", "x"),
      (String(repeating: "a", count: 64), "x"), (String(repeating: "a", count: 65), "x"), ("a", "b\nc'\"\\"),
    ]
    for _ in 1...200 { cases.append((random(0...4), random(0...3))) }
    let all = cases
    try await withStage { stage in
      for user in ["library", "sql"] { try await stage.deliver(Payload.auth(user, reference: user)) }
      try await withLogin(stage, at: ["acme"]) { connection in
        var accepted = 0
        for (key, value) in all {
          var code: String?
          do {
            _ = try await stage.registry.connections.tag(tenant: "acme", "library", [key: value])
          } catch let error as RegistryError {
            code = error.code == .invalidRequest ? "22023" : error.code == .limitReached ? "54000" : "\(error)"
          }
          if code == nil { accepted += 1 }
          for (function, id) in [("connection_tag", "sql"), ("app_user_tag", "sql")] {
            #expect(try await Self.refusal(connection, function, id, key, value) == code, "\(key.debugDescription)")
          }
        }
        #expect(accepted > 10 && accepted < all.count - 10)
        let tags = try await Self.tags(stage, "connection", "library")
        #expect(try await Self.tags(stage, "connection", "sql") == tags)
        #expect(try await Self.tags(stage, "app_user", "sql") == tags)
        for function in ["connection_tag", "app_user_tag", "connection_untag", "app_user_untag"] {
          #expect(try await Self.refusal(connection, function, "sql", nil, "x") == "22023")
          #expect(try await Self.refusal(connection, function, "sql", "A", "x") == "22023")
          if function.hasSuffix("_tag") {
            #expect(try await Self.refusal(connection, function, "sql", "a", nil) == "22023")
          }
        }
      }
    }
  }

  @Test("are 32 at most, however many set some at once", arguments: ["app_user", "connection"])
  func limit(noun: String) async throws {
    try await withStage { stage in
      try await stage.deliver(Payload.auth("x", reference: "x"))
      try await withLogin(stage, at: ["acme"]) { connection in
        for number in 1...30 { _ = try await Self.call(connection, "\(noun)_tag", "x", "k\(number)", "v") }
        let login = try await texts(connection, "SELECT session_user::text")[0]
        let refusals = try await withThrowingTaskGroup(of: String?.self) { group in
          for number in 31...38 {
            group.addTask {
              try await connected(as: login, stage) {
                try await Self.refusal($0, "\(noun)_tag", "x", "k\(number)", "v")
              }
            }
          }
          return try await group.reduce(into: [String?]()) { $0.append($1) }
        }
        #expect(refusals.filter { $0 == nil }.count == 2 && refusals.filter { $0 == "54000" }.count == 6, "\(refusals)")
        #expect(try await Self.call(connection, "\(noun)_tag", "x", "k1", "w") == "true")
        #expect(try await Self.call(connection, "\(noun)_untag", "x", "k1") == "true")
        #expect(try await Self.call(connection, "\(noun)_tag", "x", "k39", "v") == "true")
        #expect(try await Self.tags(stage, noun, "x").count == 32)
      }
    }
  }

  @Test("are of what the tenant has only", arguments: ["app_user", "connection"])
  func ofTheTenant(noun: String) async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      for tenant in ["acme", "globex"] {
        try await stage.deliver(Payload.auth("both", reference: "both"), tenant: tenant)
      }
      try await stage.deliver(Payload.auth("theirs", reference: "theirs"), tenant: "globex")
      try await withLogin(stage, at: ["acme"]) { connection in
        let theirs = TenantID.of(slug: "globex").text
        try await connection.execute("SET registry.tenant_id = '\(theirs)'")
        #expect(try await Self.call(connection, "\(noun)_tag", "both", "plan", "pro") == "true")
        #expect(try await texts(connection, "SELECT current_setting('registry.tenant_id')") == [theirs])
        for id in ["theirs", "nobody", ""] {
          #expect(try await Self.refusal(connection, "\(noun)_tag", id, "plan", "pro") == "P0002")
          #expect(try await Self.refusal(connection, "\(noun)_untag", id, "plan") == "P0002")
        }
      }
      #expect(
        try await stage.texts("SELECT t.slug FROM registry.tag g JOIN registry.tenant t USING (tenant_id)") == ["acme"])
    }
  }

  @Test("go with a merge as those of the library do")
  func merge() async throws {
    try await withStage { stage in
      for person in ["anonymous", "person"] { try await stage.deliver(Payload.auth("u-\(person)", reference: person)) }
      try await withLogin(stage, at: ["acme"]) { connection in
        for (id, key) in [("anonymous", "one"), ("anonymous", "both"), ("person", "both")] {
          _ = try await Self.call(connection, "app_user_tag", id, key, id)
        }
        let merged = try await stage.registry.appUsers.merge(tenant: "acme", "anonymous", into: "person", by: "test")
        #expect(merged.tags == ["one": "anonymous", "both": "person"])
      }
    }
  }

  @Test(
    "are refused for whom was erased, and an erasure waits for a transaction that tags",
    arguments: ["app_user", "connection"])
  func erasure(noun: String) async throws {
    try await withStage { stage in
      try await stage.deliver(Payload.auth("x", reference: "x"))
      try await withLogin(stage, at: ["acme"]) { connection in
        try await connection.execute("BEGIN")
        _ = try await Self.call(connection, "\(noun)_tag", "x", "plan", "pro")
        await expectError(.erasureUnfinished) {
          _ = try await stage.registry.appUsers.erase(tenant: "acme", "x", by: "test", within: .milliseconds(500))
        }
        try await connection.execute("COMMIT")
        #expect(try await stage.count("tag") == 1)
        _ = try await stage.registry.appUsers.erase(tenant: "acme", "x", by: "test")
        #expect(try await stage.count("tag") == 0)
        #expect(try await Self.refusal(connection, "\(noun)_tag", "x", "plan", "pro") == "P0002")
        #expect(try await Self.refusal(connection, "\(noun)_untag", "x", "plan") == "P0002")
        // What Terra says of the connection later is left out, so there is nothing to tag either.
        try await stage.deliver(Payload.auth("x", reference: "x"))
        #expect(try await Self.refusal(connection, "\(noun)_tag", "x", "plan", "pro") == "P0002")
        #expect(try await stage.count("tag") == 0)
      }
    }
  }
}

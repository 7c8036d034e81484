import Foundation
import Testing

/// The change feed of the running service, as a backend in any language reads it.
@Suite("The change feed over HTTP", .serialized)
struct ChangeFeedTests {
  private static func deliver(_ users: [String], to service: ServiceProcess) async throws {
    for user in users {
      let answer = try await service.deliver(
        SignedWebhook(SignedWebhook.success(userID: user), secret: Deployment.secret))
      #expect(answer.status == 200)
    }
  }

  private static func page(
    _ service: ServiceProcess, _ query: String, key: String
  ) async throws -> (users: [String], cursor: String) {
    let answer = try await service.api("GET", "/v1/changes?\(query)", key: key)
    #expect(answer.status == 200, "\(answer.body)")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
    let items = try #require(object["items"] as? [[String: Any]])
    return (items.compactMap { $0["user_id"] as? String }, try #require(object["cursor"] as? String))
  }

  @Test("comes in pages, waits for what is new, and takes cursors of its own only")
  func polling() async throws {
    let deployment = try await Deployment.make()
    try await deployment.addTenant("globex")
    let key = try await deployment.key()
    let other = try await deployment.key(tenant: "globex")
    let writer = try await deployment.key(scopes: ["sessions:write"])
    try await deployment.serve { service in
      try await Self.deliver(["a", "b"], to: service)
      var seen: [String] = []
      var cursor = ""
      while seen.count < 2 {
        let page = try await Self.page(
          service, "limit=1&wait=60" + (cursor.isEmpty ? "" : "&after=\(cursor)"), key: key)
        seen += page.users
        cursor = page.cursor
      }
      #expect(seen == ["a", "b"])
      // Nothing is new: the answer comes when there is.
      async let next = Self.page(service, "after=\(cursor)&wait=60", key: key)
      try await Self.deliver(["c"], to: service)
      #expect(try await next.users == ["c"])
      #expect(try await Self.page(service, "after=now", key: key).users == [])

      for (query, code) in [
        ("after=x", "invalid_request"), ("after=%00", "invalid_request"), ("limit=0", "invalid_request"),
        ("limit=-1", "invalid_request"), ("limit=1000000000", "invalid_request"), ("wait=61", "invalid_request"),
        ("wait=x", "invalid_request"), ("since=1", "invalid_request"),
      ] {
        let answer = try await service.api("GET", "/v1/changes?\(query)", key: key)
        #expect(answer.status == 400 && answer.code == code, "\(query): \(answer.body)")
      }
      let foreign = try await service.api("GET", "/v1/changes?after=\(cursor)", key: other)
      #expect(foreign.status == 400)
      #expect(try await Self.page(service, "", key: other).users == [])
      #expect(try await service.api("GET", "/v1/changes", key: writer).status == 403)
      #expect(try await service.send("GET", "/v1/changes").status == 401)
    }
  }

  @Test("comes as server-sent events, and goes on behind Last-Event-ID")
  func events() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    try await deployment.serve { service in
      try await Self.deliver(["a", "b"], to: service)
      let first = try await EventStream.read(service, key: key, lastID: nil, count: 2)
      #expect(first.map(\.userID) == ["a", "b"])
      async let rest = EventStream.read(service, key: key, lastID: first[0].id, count: 2)
      try await Self.deliver(["c"], to: service)
      #expect(try await rest.map(\.userID) == ["b", "c"])
      let refused = try await service.send(
        "GET", "/v1/changes",
        headers: [("Authorization", "Bearer \(key)"), ("Accept", "text/event-stream"), ("Last-Event-ID", "forged")])
      #expect(refused.status == 400)
    }
  }

  @Test("lets the service end while readers wait")
  func shutdown() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    let readers = try await deployment.serve { service in
      let events = Task { try await EventStream.read(service, key: key, lastID: nil, count: 1) }
      let poll = Task { try await service.api("GET", "/v1/changes?wait=60", key: key) }
      // The service listens as soon as somebody waits.
      while try await deployment.count("pg_stat_activity WHERE application_name = 'connection-registry listener'") == 0
      {}
      return (events, poll)
    }
    // `serve` has ended by SIGTERM, well before the wait was over.
    #expect(try await readers.0.value.isEmpty)
    let status = try? await readers.1.value.status
    #expect(status == 200 || status == nil)
  }
}

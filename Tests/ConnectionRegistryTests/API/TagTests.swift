@testable import ConnectionRegistry
import Foundation
import NIOHTTP1
import TestDatabase
import Testing

/// What a team notes about app users and connections, over HTTP.
@Suite(.migratedDatabase) struct TagTests {
  @Test func tagsAreSetKeptAndTakenAway() async throws {
    try await withHTTP { http in
      try await http.stage.deliver(Payload.auth("u-1", reference: "person 1/é"))
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      for path in ["/v1/connections/u-1", "/v1/app-users/person%201%2F%C3%A9"] {
        let set = try await http.send("PATCH", path, key: key, json: #"{"tags":{"plan":"pro","note":""}}"#)
        #expect(set.status == 200, "\(set.text)")
        #expect(set["tags"] as? [String: String] == ["plan": "pro", "note": ""])
        let kept = try await http.send(
          "PATCH", path, key: key, json: #"{"tags":{"plan":"team","note":null,"never.set":null}}"#)
        #expect(kept["tags"] as? [String: String] == ["plan": "team"])
        let shown = try await http.send("GET", path, key: key)
        let tags = (shown["connection.tags"] ?? shown["tags"]) as? [String: String]
        #expect(tags == ["plan": "team"])
        let same = try await http.send("PATCH", path, key: key, json: #"{"tags":{}}"#)
        #expect(same["tags"] as? [String: String] == ["plan": "team"])
      }
      #expect(try await http.stage.count("tag") == 2)
    }
  }

  @Test func listsAreFilteredByTag() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      for number in 1...6 {
        try await http.stage.deliver(Payload.auth("u-\(number)", reference: "p-\(number)"))
        let json = #"{"tags":{"plan":"\#(number % 2 == 0 ? "pro" : "free")"}}"#
        for path in ["/v1/connections/u-\(number)", "/v1/app-users/p-\(number)"] {
          #expect(try await http.send("PATCH", path, key: key, json: json).status == 200)
        }
      }
      let connections = try await http.items("/v1/connections?tag=plan%3Dpro&limit=2", key: key)
      #expect(connections.compactMap { $0["user_id"] as? String } == ["u-2", "u-4", "u-6"])
      let one = try await http.items("/v1/connections?tag=plan=pro&reference_id=p-4", key: key)
      #expect(one.compactMap { $0["user_id"] as? String } == ["u-4"])
      let people = try await http.items("/v1/app-users?tag=plan=free&limit=1", key: key)
      #expect(people.compactMap { $0["reference_id"] as? String } == ["p-1", "p-3", "p-5"])
      #expect(try await http.items("/v1/connections?tag=plan=", key: key).isEmpty)
    }
  }

  @Test(arguments: [
    #"{"tags":{"Plan":"x"}}"#, #"{"tags":{"":"x"}}"#, #"{"tags":{"1a":"x"}}"#, #"{"tags":{"a b":"x"}}"#,
    #"{"tags":{"a":1}}"#, #"{"tags":{"a":["x"]}}"#, #"{"tags":{"a":"\u0000"}}"#, #"{"tags":[]}"#, #"{"tags":null}"#,
    #"{}"#, #"{"tags":{},"more":1}"#, #"{"tags":{"a":"\#(String(repeating: "é", count: 257))"}}"#,
    #"{"tags":{"\#(String(repeating: "a", count: 65))":"x"}}"#,
  ])
  func whatIsNoTagIsRefusedAndChangesNothing(_ json: String) async throws {
    try await withHTTP { http in
      try await http.stage.deliver(Payload.auth("u-1"))
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      for path in ["/v1/connections/u-1", "/v1/app-users/person-1"] {
        let refused = try await http.send("PATCH", path, key: key, json: json)
        #expect(refused.status == 400 && refused.code == "invalid_request", "\(refused.text)")
      }
      #expect(try await http.stage.count("tag") == 0)
    }
  }

  @Test func aThingHasThirtyTwoTagsAtMost() async throws {
    try await withHTTP { http in
      try await http.stage.deliver(Payload.auth("u-1"))
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      let full = (1...32).map { #""k\#($0)":"\#(String(repeating: "é", count: 256))""# }.joined(separator: ",")
      #expect(
        try await http.send("PATCH", "/v1/connections/u-1", key: key, json: #"{"tags":{\#(full)}}"#).status == 200)
      let more = try await http.send("PATCH", "/v1/connections/u-1", key: key, json: #"{"tags":{"more":"x"}}"#)
      #expect(more.status == 409 && more.code == "limit_reached", "\(more.text)")
      let instead = try await http.send(
        "PATCH", "/v1/connections/u-1", key: key, json: #"{"tags":{"more":"x","k1":null}}"#)
      #expect(instead.status == 200 && (instead["tags"] as? [String: String])?.count == 32)
    }
  }

  @Test func tagsOfOneTenantAreNotAnothers() async throws {
    var settings = StageSettings()
    settings.slugs = ["acme", "globex"]
    try await withHTTP(settings) { http in
      for slug in ["acme", "globex"] { try await http.stage.deliver(Payload.auth("u-1"), tenant: slug) }
      let acme = try await http.key(.connectionsRead, .connectionsWrite)
      let globex = try await http.key(.connectionsRead, .connectionsWrite, tenant: "globex")
      #expect(
        try await http.send("PATCH", "/v1/connections/u-1", key: acme, json: #"{"tags":{"a":"b"}}"#).status == 200)
      #expect(try await http.items("/v1/connections?tag=a=b", key: globex).isEmpty)
      let other = try await http.send("GET", "/v1/connections/u-1", key: globex)
      #expect((other["connection.tags"] as? [String: String])?.isEmpty == true)
    }
  }

  @Test func ofTwoChangesToWhatBothHaveReadOneIsRefused() async throws {
    try await withHTTP { http in
      try await http.stage.deliver(Payload.auth("u-1"))
      let key = try await http.key(.connectionsRead, .connectionsWrite)
      for path in ["/v1/connections/u-1", "/v1/app-users/person-1"] {
        let read = try await http.send("GET", path, key: key)
        let tag = try #require(read.headers.first(name: "ETag"))
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
          for number in 1...8 {
            group.addTask {
              try await http.send(
                "PATCH", path, key: key, json: #"{"tags":{"winner":"\#(number)"}}"#, headers: [("If-Match", tag)]
              ).status
            }
          }
          return try await group.reduce(into: [Int]()) { $0.append($1) }
        }
        #expect(statuses.filter { $0 == 200 }.count == 1, "\(statuses)")
        #expect(statuses.filter { $0 == 412 }.count == 7, "\(statuses)")
        let late = try await http.send(
          "PATCH", path, key: key, json: #"{"tags":{"winner":"late"}}"#, headers: [("If-Match", tag)])
        #expect(late.status == 412 && late.code == "precondition_failed")
        let any = try await http.send(
          "PATCH", path, key: key, json: #"{"tags":{"winner":"any"}}"#, headers: [("If-Match", "*")])
        #expect(any.status == 200)
      }
    }
  }
}

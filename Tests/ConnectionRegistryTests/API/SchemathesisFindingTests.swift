@testable import ConnectionRegistry
import Foundation
import NIOHTTP1
import TestDatabase
import Testing

/// What Schemathesis and the access matrix have found, each as a test of its own.
@Suite(.migratedDatabase) struct SchemathesisFindingTests {
  /// A state that stands in the way is no fault of the request: 409, and not 400.
  @Test func aPingToADisabledEndpointIsAConflict() async throws {
    try await withHTTP(.delivering()) { http in
      let key = try await http.key(.admin)
      let added = try await http.send("POST", "/v1/endpoints", key: key, json: #"{"url":"http://127.0.0.1:9/"}"#)
      let path = "/v1/endpoints/\(try #require(added.text("endpoint.endpoint_id")))"
      #expect(try await http.send("POST", path + "/disable", key: key).status == 200)
      let refused = try await http.send("POST", path + "/ping", key: key)
      #expect(refused.status == 409 && refused.code == "endpoint_disabled", "\(refused.text)")
      #expect(try await http.send("POST", path + "/enable", key: key).status == 200)
      #expect(try await http.send("POST", path + "/ping", key: key).status == 201)
    }
  }

  @Test func anEndpointTooManyIsAConflict() async throws {
    try await withHTTP(.delivering()) { http in
      let key = try await http.key(.admin)
      for _ in 1...Endpoints.maximumPerTenant {
        let added = try await http.send("POST", "/v1/endpoints", key: key, json: #"{"url":"http://127.0.0.1:9/"}"#)
        #expect(added.status == 201, "\(added.text)")
      }
      let refused = try await http.send("POST", "/v1/endpoints", key: key, json: #"{"url":"http://127.0.0.1:9/"}"#)
      #expect(refused.status == 409 && refused.code == "limit_reached", "\(refused.text)")
    }
  }

  /// A method that a path does not have is 405 with `Allow`, a newer one than HTTP's first nine too.
  @Test(arguments: ["QUERY", "TRACE", "PUT"]) func aMethodThatAPathDoesNotHaveIsNamed(_ method: String) async throws {
    try await withHTTP { http in
      for (path, allow) in [("/v1/sessions", "GET, HEAD, POST"), ("/v1/api-keys/x", "GET, HEAD")] {
        let refused = try await http.sendRaw("\(method) \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(refused.hasPrefix("HTTP/1.1 405 "), "\(refused)")
        #expect(refused.contains("Allow: \(allow)\r\n"), "\(refused)")
      }
    }
  }

  /// A body after the head of an answer to HEAD would be read as the beginning of the next answer.
  @Test(arguments: ["/v1/connections", "/v1/connections/nobody", "/terra/v2/userInfo"])
  func aRefusedHEADHasNoBody(_ path: String) async throws {
    try await withHTTP { http in
      let answer = try await http.sendRaw("HEAD \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 4") && answer.hasSuffix("\r\n\r\n"), "\(answer)")
    }
  }
}

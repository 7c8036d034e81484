@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Configuration
import NIOHTTP1
import TestDatabase
import Testing

/// Which pages of browsers may read answers.
@Suite struct CrossOriginTests {
  private static let listed = "https://console.acme.io"

  private static func settings() -> APISettings {
    var settings = APISettings()
    settings.origins = [listed, "http://localhost:5173"]
    return settings
  }

  @Test(.migratedDatabase) func withoutASettingNoPageMayReadAnything() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      let answer = try await http.send("GET", "/v1/connections", key: key, headers: [("Origin", Self.listed)])
      #expect(answer.status == 200)
      let preflight = try await http.send(
        "OPTIONS", "/v1/connections",
        headers: [("Origin", Self.listed), ("Access-Control-Request-Method", "GET")])
      for headers in [answer.headers, preflight.headers] {
        #expect(!headers.contains { $0.name.lowercased().hasPrefix("access-control-") }, "\(headers)")
      }
      #expect(preflight.status == 405)
    }
  }

  @Test(.migratedDatabase) func pagesOfListedOriginsMay() async throws {
    try await withHTTP(api: Self.settings()) { http in
      let key = try await http.key(.connectionsRead)
      for origin in [Self.listed, "http://localhost:5173"] {
        for path in ["/v1/connections", "/v1/connections/unknown"] {
          let answer = try await http.send("GET", path, key: key, headers: [("Origin", origin)])
          #expect(answer.headers["Access-Control-Allow-Origin"] == [origin])
          #expect(answer.headers["Vary"].contains("Origin"))
          #expect(answer.headers["Access-Control-Allow-Credentials"].isEmpty)
        }
        // Without a key too, so that the page can say what is wrong.
        let refused = try await http.send("GET", "/v1/connections", headers: [("Origin", origin)])
        #expect(refused.status == 401 && refused.headers["Access-Control-Allow-Origin"] == [origin])
        for (method, path) in [("PATCH", "/v1/connections/u"), ("DELETE", "/v1/api-keys/x"), ("POST", "/v1/sessions")] {
          let preflight = try await http.send(
            "OPTIONS", path, headers: [("Origin", origin), ("Access-Control-Request-Method", method)])
          #expect(preflight.status == 204 && preflight.headers["Access-Control-Allow-Origin"] == [origin])
          #expect(preflight.headers["Access-Control-Allow-Methods"].joined().contains(method))
          #expect(preflight.headers["Access-Control-Allow-Headers"].joined().contains("Idempotency-Key"))
        }
      }
    }
  }

  @Test(
    .migratedDatabase,
    arguments: [
      "https://evil.example", "http://console.acme.io", "https://console.acme.io:8443", "https://console.acme.io.evil",
      "null", "*", "https://CONSOLE.acme.io",
    ])
  func pagesOfOthersMayNot(_ origin: String) async throws {
    try await withHTTP(api: Self.settings()) { http in
      let key = try await http.key(.connectionsRead)
      let answer = try await http.send("GET", "/v1/connections", key: key, headers: [("Origin", origin)])
      #expect(answer.status == 200 && answer.headers["Access-Control-Allow-Origin"].isEmpty)
      #expect(answer.headers["Vary"].contains("Origin"))
      let preflight = try await http.send(
        "OPTIONS", "/v1/connections", headers: [("Origin", origin), ("Access-Control-Request-Method", "GET")])
      #expect(preflight.status == 405 && preflight.headers["Access-Control-Allow-Origin"].isEmpty)
    }
  }

  @Test(arguments: [
    "*", "null", "console.acme.io", "https://console.acme.io/", "https://a@console.acme.io", "ftp://console.acme.io",
    "https://Console.acme.io", "https://console.acme.io?x", "https://",
  ])
  func aSettingThatIsNoOriginStopsTheStart(_ origin: String) {
    let reader = ConfigReader(
      provider: InMemoryProvider(values: ["cors.origins": .init(stringLiteral: "https://a.example,\(origin)")]))
    expectError(.invalidRequest) { _ = try APISettings(reader: reader) }
  }

  @Test func theSettingsAreRead() throws {
    let reader = ConfigReader(
      provider: InMemoryProvider(values: [
        "cors.origins": "https://a.example, http://localhost:3000", "api.rate": "2.5", "api.burst": "7",
        "api.time.limit": "1500ms",
      ]))
    let settings = try APISettings(reader: reader)
    #expect(settings.origins == ["https://a.example", "http://localhost:3000"])
    #expect(settings.rate == 2.5 && settings.burst == 7 && settings.timeLimit == .milliseconds(1_500))
    for (name, value) in [
      ("api.rate", "-1"), ("api.rate", "nan"), ("api.rate", "many"), ("api.burst", "0"), ("api.burst", "1.5"),
      ("api.time.limit", "0s"), ("api.time.limit", "soon"),
    ] {
      let reader = ConfigReader(
        provider: InMemoryProvider(values: [
          .init(name.split(separator: ".").map(String.init)): .init(stringLiteral: value)
        ]))
      expectError(.invalidRequest) { _ = try APISettings(reader: reader) }
    }
  }
}

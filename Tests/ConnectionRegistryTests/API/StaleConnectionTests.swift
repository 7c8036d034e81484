@testable import ConnectionRegistry
import Foundation
import TestDatabase
import Testing

/// Connections whose data stopped coming.
@Suite(.migratedDatabase) struct StaleConnectionTests {
  @Test func whoseDataIsOlderThanTheMarkIsListed() async throws {
    try await withHTTP { http in
      let key = try await http.key(.connectionsRead)
      for (user, ages) in [("fresh", [7_000.0, 60]), ("older", [7_000, 3_600]), ("oldest", [7_000]), ("never", [])] {
        try await http.stage.expect(
          Delivery(Payload.auth(user, reference: user), at: -8_000), .accepted)
        // The newest counts, in whatever order they come.
        for age in ages.reversed() { try await http.stage.expect(Delivery(Payload.data(user), at: -age), .data) }
      }
      func stale(since seconds: Double) async throws -> [String] {
        let mark = Date(timeIntervalSinceNow: -seconds).formatted(.iso8601)
        return try await http.items("/v1/connections?stale_since=\(mark)&limit=2", key: key)
          .compactMap { $0["user_id"] as? String }
      }
      #expect(try await stale(since: -60) == ["fresh", "older", "oldest", "never"])
      #expect(try await stale(since: 1_800) == ["older", "oldest", "never"])
      #expect(try await stale(since: 5_000) == ["oldest", "never"])
      #expect(try await stale(since: 8_000) == ["never"])
      let shown = try await http.send("GET", "/v1/connections/older", key: key).text("connection.last_data_at")
      let at = try #require(shown.flatMap { try? Date($0, strategy: .iso8601) }, "\(shown ?? "")")
      #expect((3_600...7_000).contains(-at.timeIntervalSinceNow))
    }
  }
}

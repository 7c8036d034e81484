@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import RegistryModel
import RegistryPostgres
@testable import TerraSandbox
import TestDatabase
import Testing

/// What Terra's listing said, beside the findings that rest on it.
@Suite(.migratedDatabase) struct ListingEvidenceTests {
  private static func members(_ answer: HTTPStage.Answer) -> [[String: Any]] {
    answer["listings"] as? [[String: Any]] ?? []
  }

  @Test func aFindingShowsWhatTerraSaidAndWhenItWasAsked() async throws {
    try await withHTTP { http in
      let stage = http.stage
      let ids = try await stage.connectAndImport(4)
      try await stage.owner.execute(
        "UPDATE registry.connection SET reference_id = 'somebody-else' WHERE user_id = $1", [.text(ids[0])])
      try await stage.sandbox.deauthenticate(tenant: stage.slug, userID: ids[1])
      await stage.sandbox.waitUntilIdle()
      try await stage.listTwice()
      try await stage.run()
      let found = try await stage.openFindings()
      let drift = try #require(found.first { $0.kind == .statusDrift })
      let missing = try #require(found.first { $0.kind == .missingAtProvider })
      let key = try await http.key(.findingsRead)

      let drifted = try await http.send("GET", "/v1/findings/\(drift.id.text)", key: key)
      #expect(drifted.status == 200)
      let said = Self.members(drifted)
      #expect(said.count == 1, "\(drifted.text)")
      #expect(said.first?["is_listed"] as? Bool == true && said.first?["source"] as? String == "api")
      #expect(said.first?["user_id"] as? String == ids[0] && said.first?["reference_id"] as? String == "person-0")
      #expect(said.first?["resource"] as? String == "GARMIN" && said.first?["is_conflicting"] as? Bool == false)
      let witness = try #require(drift.evidence.first { $0.type == "listing" })
      #expect(said.first?["listing_id"] as? String == witness.id)
      let asked = try await stage.texts(
        "SELECT asked_at::text FROM registry.provider_listing_user WHERE listing_id = $1 AND user_id = $2",
        [.text(witness.id), .text(ids[0])])
      let shown = try await stage.texts(
        "SELECT $1::timestamptz::text", [.text(said.first?["asked_at"] as? String)])
      #expect(asked == shown)

      // Both listings without it, oldest last in the evidence, each with when it was begun.
      let absent = Self.members(try await http.send("GET", "/v1/findings/\(missing.id.text)", key: key))
      #expect(absent.map { $0["is_listed"] as? Bool } == [false, false])
      #expect(absent.allSatisfy { $0["reference_id"] == nil && $0["asked_at"] is String })
      #expect(
        absent.map { $0["listing_id"] as? String } == missing.evidence.filter { $0.type == "listing" }.map(\.id))

      // A listing that is not kept any more says nothing about anybody.
      try await stage.listTwice()
      let later = Self.members(try await http.send("GET", "/v1/findings/\(drift.id.text)", key: key))
      #expect(later.count == 1 && later.first?["is_listed"] == nil && later.first?["reference_id"] == nil, "\(later)")
    }
  }

  /// The document knows the members, and which of them may be absent.
  @Test func whatAListingSaidIsAsItsSchemaSays() throws {
    let date = Date(timeIntervalSince1970: 1_767_225_600.25)
    let full = ListedConnection(
      listingID: UUID(), source: .terraUsers, askedAt: date, userID: "u", isListed: true, isConflicting: false,
      referenceID: "r", resource: "FITBIT", scopes: "a", isActive: true)
    let bare = ListedConnection(
      listingID: UUID(), source: .api, askedAt: date, userID: "u", isListed: nil, isConflicting: false)
    for (value, requiredOnly) in [(full, false), (bare, true)] {
      let node = try JSONDecoder().decode(JSONNode.self, from: RegistryJSON.encoder().encode(value))
      try FindingSchemas.listed.check(node)
      guard case .object(let members) = node else {
        Issue.record("not an object")
        return
      }
      let named = FindingSchemas.listed.members.filter { $0.isRequired || !requiredOnly }.map(\.name)
      #expect(Set(members.keys) == Set(named))
    }
  }
}

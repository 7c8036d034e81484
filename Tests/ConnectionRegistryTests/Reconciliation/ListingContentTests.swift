@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

/// Listings that name somebody twice, or whom they should not.
@Suite(.migratedDatabase) struct ListingContentTests {
  /// A listing of two pages, of which two users are live here.
  struct Content: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let pages: [[String]]
    /// Whether user 1 is found to be listed in two ways.
    let isTwofold: Bool

    static let all = [
      Content("one user twice on a page", [[user(1), user(1), user(2)], []], false),
      Content("one user on both pages", [[user(1), user(2)], [user(1)]], false),
      Content("two users under one id on a page", [[user(1), user(1, reference: "q"), user(2)], []], true),
      Content("two users under one id on two pages", [[user(1), user(2)], [user(1, reference: "q")]], true),
      Content("one id at two resources", [[user(1), user(2)], [user(1, resource: "OURA")]], true),
      Content("one id active and not", [[user(1), user(1, isActive: false), user(2)], []], true),
      Content(
        "two users under an unknown id on a page", [[user(1), user(3), user(3, reference: "q"), user(2)], []], false),
      Content("two users under an unknown id", [[user(1), user(2), user(3)], [user(3, reference: "q")]], false),
    ]

    private init(_ description: String, _ pages: [[String]], _ isTwofold: Bool) {
      (testDescription, self.pages, self.isTwofold) = (description, pages, isTwofold)
    }

    private static func user(
      _ number: Int, reference: String? = nil, resource: String = "FITBIT", isActive: Bool = true
    ) -> String {
      GeneratedTerra.user(number, reference: reference, isActive: isActive)
        .replacing("FITBIT", with: resource)
    }
  }

  /// Terra with the pages of a listing; asked one by one, it knows everybody in them.
  private static func terra(_ pages: [[String]]) -> GeneratedTerra {
    var terra = GeneratedTerra(users: 501)
    terra.page = { number, _ in pages[number] }
    return terra
  }

  private static func connect(_ stage: Stage, _ numbers: Int..., tenant: String? = nil) async throws {
    for number in numbers {
      try await stage.expect(
        Payload.auth(GeneratedTerra.id(number), reference: "p\(number)"), .accepted, tenant: tenant ?? stage.slug)
    }
  }

  private static let settings = StageSettings(slugs: ["acme", "globex"], grace: .milliseconds(1))

  @Test(arguments: Content.all) func whoIsListedTwiceIsNeitherMadeNorEnded(_ content: Content) async throws {
    try await withStage(Self.settings) { stage in
      try await Self.connect(stage, 1, 2)
      try await stage.letPass(seconds: 60)
      let before = try await stage.texts("SELECT c::text FROM registry.connection c ORDER BY 1")
      try await stage.asking(Self.terra(content.pages)) {
        for _ in 1...2 {
          let run = try await stage.provide()
          #expect(run.outcome == .complete && run.provider == "complete" && run.repaired == 0, "\(run)")
          let found = try await stage.openFindings()
          let drift = content.isTwofold ? ["listed_in_two_ways"] : []
          #expect(found.map(\.reasonCode) == drift, "\(found)")
          #expect(found.allSatisfy { $0.kind == .statusDrift && $0.subject.id == GeneratedTerra.id(1) })
          #expect(found.allSatisfy { $0.repair?.act == .left })
        }
      }
      #expect(try await stage.texts("SELECT c::text FROM registry.connection c ORDER BY 1") == before)
    }
  }

  @Test func idsOfAnotherTenantInAListingAreNotTakenOver() async throws {
    try await withStage(Self.settings) { stage in
      try await Self.connect(stage, 1, 2)
      try await Self.connect(stage, 3, tenant: "globex")
      try await stage.letPass(seconds: 60)
      let theirs = "SELECT c::text FROM registry.connection c WHERE user_id = '\(GeneratedTerra.id(3))'"
      let before = try await stage.texts(theirs)
      let own = [GeneratedTerra.user(1), GeneratedTerra.user(2)]
      try await stage.asking(Self.terra([own + [GeneratedTerra.user(3)], []])) {
        for _ in 1...2 {
          let run = try await stage.provide()
          #expect(run.outcome == .complete && run.repaired == 0, "\(run)")
          #expect(run.remarks.contains { $0.contains("nothing shows that it is this environment's") }, "\(run.remarks)")
        }
        let found = try await stage.openFindings()
        #expect(found.map(\.reasonCode) == ["unknown_here"] && found.map(\.subject.id) == [GeneratedTerra.id(3)])
        #expect(found.first?.repair?.act == .left)
      }
      #expect(try await stage.texts(theirs) == before, "it is the other tenant's alone, as it was")
      let others = try await stage.registry.findings.list(tenant: "globex").items
      #expect(others.isEmpty, "\(others)")
      try await stage.asking(Self.terra([own, []])) {
        let (run, left) = (try await stage.provide(), try await stage.openFindings())
        #expect(run.outcome == .complete && left.isEmpty, "\(left)")
      }
    }
  }
}

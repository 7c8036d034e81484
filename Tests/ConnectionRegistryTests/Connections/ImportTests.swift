@testable import ConnectionRegistry
import Foundation
import RegistryModel
import TerraSandbox
import TestDatabase
import Testing

/// Taking over what Terra lists.
@Suite(.migratedDatabase) struct ImportTests {
  private static func populate(_ stage: Stage, _ count: Int) async throws -> [String] {
    var users: [String] = []
    for number in 0..<count {
      users.append(
        try await stage.sandbox.connectOutsideSession(
          tenant: "acme", referenceID: "person-\(number)", resource: "OURA"))
    }
    return users
  }

  @Test(arguments: SandboxGeneration.allCases)
  func whoeverIsListedIsTakenOverOnce(_ generation: SandboxGeneration) async throws {
    try await withStage(StageSettings(generation: generation)) { stage in
      let users = try await Self.populate(stage, 7)
      let connections = stage.registry.connections
      let counted = try await connections.importFromTerra(tenant: "acme", perPage: 3, isDryRun: true)
      #expect(counted.added == 7 && counted.pages == 3 && counted.isComplete)
      #expect(try await stage.count("connection") == 0)
      let report = try await connections.importFromTerra(tenant: "acme", perPage: 3)
      #expect(report.listed == 7 && report.added == 7 && report.known == 0 && report.nextPage == nil)
      for (number, user) in users.enumerated() {
        let detail = try await connections.show(tenant: "acme", user)
        #expect(detail.connection.status == .active)
        #expect(detail.connection.referenceID == "person-\(number)")
        #expect(detail.connection.resource == "OURA")
        #expect(detail.corrections.map(\.source) == ["import"])
      }
      #expect(try await stage.count("app_user") == 7)
      let again = try await connections.importFromTerra(tenant: "acme")
      #expect(again.known == 7 && again.added == 0 && again.pages == 1)
      #expect(try await stage.count("correction") == 7)
    }
  }

  /// Absence ends nobody, and an ending that is signed later than the listing outweighs it.
  @Test func absenceProvesNothingAndALaterEndingStands() async throws {
    try await withStage { stage in
      let users = try await Self.populate(stage, 2)
      try await stage.expect(Payload.auth("elsewhere"), .accepted)
      try await stage.expect(Payload.deauth(users[0]), .accepted)
      let report = try await stage.registry.connections.importFromTerra(tenant: "acme")
      #expect(report.added == 1 && report.revived == 1)
      #expect(try await stage.status("elsewhere") == .active)
      // The listing was asked for within the clocks' error of the ending: the ending stands.
      #expect(try await stage.status(users[0]) == .deauthenticated)
      try await stage.sandbox.revokeAtProvider(tenant: "acme", userID: users[1])
      let inactive = try await stage.registry.connections.importFromTerra(tenant: "acme")
      #expect(inactive.inactive == 1)
      #expect(try await stage.status(users[1]) == .active)
    }
  }

  @Test func itGoesOnWhereTerraStopped() async throws {
    try await withStage { stage in
      _ = try await Self.populate(stage, 5)
      let connections = stage.registry.connections
      // The first page as it is, then a failure that outlasts the tries.
      let first = try await connections.importFromTerra(tenant: "acme", perPage: 2, isDryRun: true)
      #expect(first.pages == 3)
      let pageOne = #"{"data":{"next":1,"max_page":2,"results":[]}}"#
      try await stage.sandbox.script(
        tenant: "acme",
        [ScriptedAnswer(status: 200, body: pageOne)] + Array(repeating: ScriptedAnswer(status: 401), count: 1))
      let stopped = try await connections.importFromTerra(tenant: "acme", perPage: 2)
      #expect(!stopped.isComplete && stopped.nextPage == 1)
      #expect(stopped.problem?.contains("dev-id") == true)
      let rest = try await connections.importFromTerra(tenant: "acme", fromPage: 1, perPage: 2)
      #expect(rest.added == 3 && rest.isComplete)
      try await stage.sandbox.script(tenant: "acme", [ScriptedAnswer(status: 403)])
      await expectError(.terraCredentialsRefused) { _ = try await connections.importFromTerra(tenant: "acme") }
      // Terra turns a page away and is waited for.
      try await stage.sandbox.script(
        tenant: "acme", Array(repeating: ScriptedAnswer(status: 429, headers: ["Retry-After": "0"]), count: 2))
      #expect(try await connections.importFromTerra(tenant: "acme").added == 2)
    }
  }

  @Test(arguments: [(-1, 500), (0, 0), (0, 501)])
  func pagesHaveTheirBounds(_ from: Int, _ size: Int) async throws {
    try await withStage { stage in
      await expectError(.invalidRequest) {
        _ = try await stage.registry.connections.importFromTerra(tenant: "acme", fromPage: from, perPage: size)
      }
    }
  }
}

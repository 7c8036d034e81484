@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import Hummingbird
import HummingbirdTesting
import NIOHTTP1
import RegistryPostgres
import TerraSandbox
import TestDatabase
import Testing

/// The gateway where an embedding server has put it, and where the database does not answer.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct GatewayMountTests {
  @Test(arguments: ["", "myterra", "terra", "v2/terra/x", "terra/terra", ":team"])
  func theGatewayAnswersBelowAnyPrefix(_ prefix: String) async throws {
    try await withStage { stage in
      let router = Router()
      let mount = prefix.isEmpty ? router.group() : router.group(RouterPath(prefix))
      mount.addRegistryRoutes(stage.registry, [.gateway])
      let application = Application(responder: router.buildResponder())
      let key = try await stage.registry.keys.create(tenant: "acme", name: "tests", scopes: [.connectionsRead])
      let base = prefix.isEmpty ? "" : "/" + prefix.replacing(":team", with: "someterra")
      try await application.test(.router) { client in
        for (path, status) in [
          ("/terra/v2/integrations", 200), ("//terra//v2/integrations", 200), ("/terra/v2/terra/v2/integrations", 404),
          ("/terra/v2/daily", 404), ("/terra/", 404), ("/terra", 404),
        ] {
          // Two slashes at the front of a URL would begin a host.
          let path = base.isEmpty && path.hasPrefix("//") ? String(path.dropFirst()) : base + path
          let answer = try await client.execute(
            uri: path, method: .get,
            headers: [.xAPIKey: key.secret, .devID: "acme-dev-id"])
          #expect(answer.status.code == status, "\(path)")
        }
      }
    }
  }

  @Test func whatTheDatabaseHoldsUpIsAnsweredInTime() async throws {
    var api = APISettings()
    api.timeLimit = .milliseconds(300)
    try await withHTTP(api: api) { http in
      let key = try await http.key(.sessionsWrite)
      for table in ["api_key", "auth_session"] {
        try await http.stage.owner.withTransaction { transaction in
          try await transaction.execute("LOCK TABLE registry.\(table) IN ACCESS EXCLUSIVE MODE")
          let late = try await http.send(
            "POST", "/terra/v2/auth/generateWidgetSession", json: #"{"reference_id":"p"}"#,
            headers: [("x-api-key", key), ("dev-id", "acme-dev-id")])
          #expect(late.status == 503 && late.code == "timed_out", "\(table): \(late.text)")
          #expect(late.headers.first(name: "Retry-After") == "5")
        }
      }
      #expect(await http.stage.sandbox.calls(tenant: "acme").isEmpty, "Terra was asked without a session on record")
    }
  }

  /// Whoever is told to try again has done what Terra has done already.
  @Test func whatTerraHasAnsweredIsAnsweredHoweverLate() async throws {
    var api = APISettings()
    api.timeLimit = .milliseconds(300)
    try await withHTTP(api: api) { http in
      let stage = http.stage
      let user = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "p", resource: "FITBIT")
      try await stage.expect(Payload.auth(user, reference: "p"), .accepted)
      let headers = [("x-api-key", try await http.key(.sessionsWrite, .connectionsWrite)), ("dev-id", "acme-dev-id")]
      let answer = try await stage.owner.withTransaction { transaction in
        // The first can be read and not be written; without the second Terra is not asked.
        try await transaction.execute("LOCK TABLE registry.connection, registry.auth_session IN EXCLUSIVE MODE")
        let ending = Task {
          try await http.send("DELETE", "/terra/v2/auth/deauthenticateUser?user_id=\(user)", headers: headers)
        }
        // These run into the limit one after another, and so does the one before them.
        for _ in 0..<3 {
          let late = try await http.send(
            "POST", "/terra/v2/auth/generateWidgetSession", json: #"{"reference_id":"p"}"#, headers: headers)
          #expect(late.status == 503, "\(late.text)")
        }
        return ending
      }.value
      #expect(answer.status == 200, "\(answer.text)")
      #expect(try await stage.status(user) == .deauthenticated)
    }
  }

  @Test func workThatEndsInSpiteOfItsLimitIsItsAnswer() async throws {
    let late = Problem(.timedOut, "late")
    let work: @Sendable (Bool) async throws -> Int = { isDone in
      let (cancelled, cancel) = AsyncStream.makeStream(of: Void.self)
      return try await withTaskCancellationHandler {
        // A task of its own, which is not cancelled with the work.
        await Task { for await _ in cancelled { break } }.value
        if !isDone { try Task.checkCancellation() }
        return 1
      } onCancel: {
        cancel.yield()
      }
    }
    #expect(try await TimeLimit.run(.milliseconds(1), orThrow: late) { try await work(true) } == 1)
    await #expect(throws: Problem.self) {
      try await TimeLimit.run(.milliseconds(1), orThrow: late) { try await work(false) }
    }
  }
}

import Foundation
import TerraSandbox
import TestDatabase
import Testing

/// A team that comes with a live system: what is left to do, what is taken over, and shadow mode.
@Suite(.timeLimit(.minutes(20))) struct OnboardingTests {
  private static let eventTypes =
    "auth, auth_cancelled, deauth, user_reauth, access_revoked, connection_error, permission_change"

  private static func create(
    _ slug: String, database: String, _ more: [String] = [], publicURL: String? = "https://registry.acme.io"
  ) async throws -> CommandLineTool.Outcome {
    var environment = [
      "REGISTRY_TENANT_TERRA_API_KEY": "terra-key-of-tests", "REGISTRY_TENANT_SIGNING_SECRET": "signing-of-tests",
    ]
    environment["REGISTRY_PUBLIC_URL"] = publicURL
    return try await CommandLineTool.run(
      ["tenant", "create", slug, "--dev-id", "acme-dev-id", "--return-url", "https://app.acme.io/devices"] + more,
      database: database, environment: environment)
  }

  private static func steps(_ json: [String: Any]) throws -> [[String: String]] {
    try #require(json["next_steps"] as? [[String: String]])
  }

  @Test func aNewTenantEndsWithTheStepsToTake() async throws {
    let database = try await TestDatabase.shared.migratedDatabase()
    let made = try await Self.create("acme", database: database)
    #expect(made.code == 0, "\(made.errors)")
    let lines = made.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    let begin = try #require(lines.firstIndex(of: "What is left to do"), "\(made.output)")
    let steps = lines[(begin + 1)...]
    // What is to be copied stands on a line of its own.
    #expect(steps.contains("https://registry.acme.io/webhooks/terra/acme"), "\(made.output)")
    #expect(steps.contains("registry tenant rotate-secret acme --signing-secret-file FILE"), "\(made.output)")
    #expect(steps.contains(Self.eventTypes), "\(made.output)")
    #expect(steps.contains("https://registry.acme.io/callbacks/terra/acme/"), "\(made.output)")
    #expect(steps.contains("registry connection import --from-terra --tenant acme"), "\(made.output)")
    #expect(steps.first == "1. Add a webhook destination at Terra")
    let numbers = steps.compactMap { line in Int(line.prefix { $0 != "." }) }
    #expect(numbers == Array(1...numbers.count) && numbers.count >= 6)
    #expect(!(made.output + made.errors).contains("of-tests"), "a secret is shown")
  }

  @Test func theStepsAreShownAgainAsTheyAre() async throws {
    let database = try await TestDatabase.shared.migratedDatabase()
    let made = try await Self.create("acme", database: database, ["--format", "json"])
    let tenant = try made.json()
    #expect(tenant["slug"] as? String == "acme")
    let steps = try Self.steps(tenant)
    #expect(steps.compactMap { $0["value"] }.contains("https://registry.acme.io/webhooks/terra/acme"))
    #expect(steps.compactMap { $0["value"] }.contains(Self.eventTypes))
    func again(_ publicURL: String) async throws -> [[String: String]] {
      try Self.steps(
        try await CommandLineTool.json(
          ["tenant", "steps", "acme"], database: database, environment: ["REGISTRY_PUBLIC_URL": publicURL]))
    }
    #expect(try await again("https://registry.acme.io") == steps)
    // An address that Terra cannot reach is the first thing to change.
    let local = try await again("http://127.0.0.1:8080")
    #expect(local.count == steps.count + 1)
    #expect(local.first?["value"]?.hasPrefix("REGISTRY_PUBLIC_URL=") == true)

    _ = try await CommandLineTool.json(["tenant", "update", "acme", "--shadow"], database: database)
    let beside = try await again("https://registry.acme.io")
    #expect(beside.first?["step"] == "Mirror Terra's webhooks")
    #expect(beside.first?["value"] == "https://registry.acme.io/webhooks/terra/acme")
    #expect(!beside.compactMap { $0["value"] }.contains { $0.contains("/callbacks/") }, "it would redirect browsers")
  }

  @Test func whatTerraListsIsTakenOverAndGoneOnWith() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      for number in 1...5 {
        try await sandbox.connectOutsideSession(tenant: "acme", referenceID: "person-\(number)", resource: "OURA")
      }
      let command = ["connection", "import", "--from-terra", "--tenant", "acme", "--per-page", "2", "--format", "json"]
      func take(_ more: String..., code: Int32 = 0) async throws -> (report: [String: Any], errors: String) {
        let outcome = try await CommandLineTool.run(command + more, database: deployment.database)
        #expect(outcome.code == code, "\(outcome.errors)")
        return (try outcome.json(), outcome.errors)
      }
      func number(_ name: String, _ report: [String: Any]) -> Int? { report[name] as? Int }

      let unsaid = try await CommandLineTool.run(
        ["connection", "import", "--tenant", "acme"], database: deployment.database)
      #expect(unsaid.code == 64 && unsaid.errors.contains("--from-terra"))

      let dry = try await take("--dry-run").report
      #expect(number("added", dry) == 5 && number("pages", dry) == 3)
      #expect(dry["is_dry_run"] as? Bool == true && dry["is_complete"] as? Bool == true)
      #expect(try await deployment.count("registry.connection") == 0)

      // Terra refuses behind the first page: what was read stands, and the command says how to go on.
      let first = #"{"data":{"next":1,"max_page":2,"results":[]}}"#
      try await sandbox.script(
        tenant: "acme", [ScriptedAnswer(status: 200, body: first), ScriptedAnswer(status: 401)])
      let broken = try await take(code: 2)
      #expect(broken.report["is_complete"] as? Bool == false && number("next_page", broken.report) == 1)
      #expect((broken.report["problem"] as? String)?.contains("dev-id") == true)
      #expect(broken.errors.contains("--from-page 1"), "\(broken.errors)")

      let rest = try await take("--from-page", "1").report
      #expect(number("added", rest) == 3 && rest["is_complete"] as? Bool == true)
      #expect(rest["next_page"] == nil || rest["next_page"] is NSNull)
      let whole = try await take().report
      #expect(number("added", whole) == 2 && number("known", whole) == 3)
      let twice = try await take().report
      #expect(number("added", twice) == 0 && number("known", twice) == 5 && number("listed", twice) == 5)
      #expect(try await deployment.count("registry.correction") == 5)
      let live = try await deployment.items(["connection", "list", "--status", "active"])
      #expect(live.count == 5)

      // Where not even the first page is to be had, nothing is reported as read.
      try await sandbox.script(tenant: "acme", [ScriptedAnswer(status: 401)])
      let refused = try await CommandLineTool.run(command, database: deployment.database)
      #expect(refused.code != 0 && refused.output.isEmpty && refused.errors.contains("dev-id"), "\(refused.errors)")
    }
  }

  @Test func inShadowModeTheServiceRecordsAndDoesNothingElse() async throws {
    try await TerraStandIn.with { sandbox, terra in
      let deployment = try await Deployment.make(terra: terra)
      let key = try await deployment.key()
      let new = """
        {"resource":"GARMIN","success":"https://app.acme.io/devices","failure":"https://app.acme.io/devices/error"}
        """
      let path = try await deployment.serve { service -> String in
        let opened = try await service.api("POST", "/v1/sessions", key: key, json: new)
        let attempt = await sandbox.attempt(loginURL: try #require(opened.member("auth_url"), "\(opened.body)"))
        return "/callbacks/terra/acme/\(CallbackURL(try #require(attempt?.successURL)).token)/success?user_id=u1"
      }
      func turn(_ option: String, to isOn: Bool) async throws {
        let tenant = try await CommandLineTool.json(
          ["tenant", "update", "acme", option], database: deployment.database)
        #expect(tenant["shadow"] as? Bool == isOn)
      }
      try await turn("--shadow", to: true)
      try await deployment.serve { service in
        let refused = try await service.api("POST", "/v1/sessions", key: key, json: new)
        #expect(refused.status == 409 && refused.code == "shadow_mode", "\(refused.body)")
        #expect(refused.member("detail")?.contains("--no-shadow") == true)
        let arrival = try await service.send("GET", path)
        #expect(arrival.status == 204 && arrival.headers["location"] == nil && arrival.body.isEmpty)
        let webhook = SignedWebhook(
          SignedWebhook.success(userID: "u2", referenceID: "p"), secret: Deployment.secret)
        #expect(try await service.deliver(webhook).member("disposition") == "accepted")
      }
      #expect(try await deployment.items(["callback", "list"]).count == 1)
      #expect(try await deployment.items(["connection", "list"]).count == 1)
      #expect(try await deployment.items(["session", "list"]).count == 1, "a session was begun in shadow mode")
      try await turn("--no-shadow", to: false)
      try await deployment.serve { service in
        let opened = try await service.api("POST", "/v1/sessions", key: key, json: new)
        #expect(opened.status == 201, "\(opened.body)")
        let arrival = try await service.send("GET", path)
        #expect(arrival.status == 303)
      }
    }
  }
}

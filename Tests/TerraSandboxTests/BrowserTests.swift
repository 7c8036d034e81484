import Foundation
import HTTPTypes
import TerraSandbox
import Testing

@Suite("The browser")
struct BrowserTests {
  @Test("reloads while the registry answers with 5xx, and writes each try down")
  func reloads() async throws {
    let clock = JumpingClock()
    let registry = RegistryDouble(callbackStatus: { $0 < 4 ? 503 : 303 })
    let story = try await FaultStory.tell(nil, clock: clock, registry: registry)
    #expect(story.callbacks.map(\.status) == [503, 503, 503, 303])
    #expect(clock.waits == [0.5, 0.5, 0.5])
    #expect(story.visit.finalURL == "https://app.example/devices")
  }

  @Test("stops reloading after a time when nobody is there")
  func givesUp() async throws {
    let clock = JumpingClock()
    try await withStage(clock: clock) { stage in
      let json = #"{"auth_success_redirect_url":"http://127.0.0.1:1/callbacks/terra/acme/TOKEN/success"}"#
      let reply = try await stage.call(.post, "/v2/auth/authenticateUser?resource=OURA", json: json)
      let url = try #require(reply.body.object["auth_url"] as? String)
      let settings = BrowserSettings(reloadEvery: 2, givesUpAfter: 10)
      let visit = try await SandboxBrowser.with(sandbox: stage.sandbox, settings: settings) { try await $0.visit(url) }
      #expect(visit.arrivals.map(\.status) == [nil, nil, nil, nil, nil, nil])
      #expect(clock.waits.reduce(0, +) == 10)
      #expect(visit.finalURL == nil)
    }
  }

  @Test("does what it is told instead of what was planned")
  func decisions() async throws {
    try await withStage { stage in
      try await SandboxBrowser.with(sandbox: stage.sandbox) { browser in
        for (decision, outcome) in [
          (SandboxBrowser.Decision.deny, LedgerRecord.Outcome.Decision.denied), (.abandon, .abandoned),
          (.handOver, .handedOver), (.approve, .approved),
        ] {
          let visit = try await browser.visit(try await stage.begin(.widget), decision: decision)
          #expect(visit.decision == outcome)
        }
      }
    }
  }

  @Test("says what is wrong with a URL without naming it")
  func misuse() async throws {
    try await withStage { stage in
      try await SandboxBrowser.with(sandbox: stage.sandbox) { browser in
        await #expect(throws: SandboxBrowserError.notALoginPage) { try await browser.visit("http://127.0.0.1:1/x") }
        let url = try await stage.begin(.direct)
        try await browser.visit(url)
        await #expect(throws: SandboxBrowserError.unexpectedAnswer(status: 409)) { try await browser.visit(url) }
      }
    }
  }

  @Test(
    "reads claims from a callback URL",
    arguments: [
      ("http://h/callbacks/terra/acme/TOK/success?user_id=u&reference_id=null&resource=", "TOK", "u"),
      ("http://h/callbacks/terra/acme/T%2FK/failure#x?user_id=u", "T/K", nil),
      ("nothing", "", nil), ("", "", nil),
    ])
  func claims(url: String, token: String, userID: String?) {
    let claims = CallbackURL(url)
    #expect(claims.token == token && claims.userID == userID)
    #expect(claims.referenceID == nil && claims.resource == nil)
  }
}

@Suite("The ledger")
struct LedgerTests {
  @Test("is written line by line while things happen, as JSON with snake_case names")
  func file() async throws {
    let path = NSTemporaryDirectory() + "ledger-\(UUID().uuidString).ndjson"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let ledger = try SandboxLedger(path: path)
    await ledger.append(
      .session(
        .init(
          tenant: "acme", sessionID: "s", attemptTokenSHA256: "00", expiresAt: 1_767_225_600.25,
          referenceID: "zoë \"\\\n\u{1}", resource: nil, isMultiAuth: true,
          at: 1)))
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text == (await ledger.ndjson()))
    #expect(text.hasSuffix("}\n"))
    let object = try #require(Data(text.utf8).object as [String: Any]?)
    #expect(object["record"] as? String == "session")
    #expect(object["expires_at"] as? Double == 1_767_225_600.25)
    #expect(object["reference_id"] as? String == "zoë \"\\\n\u{1}")
    #expect(object["resource"] is NSNull)
    try await ledger.export(to: path + ".copy")
    #expect(try String(contentsOfFile: path + ".copy", encoding: .utf8) == text)
    try FileManager.default.removeItem(atPath: path + ".copy")
  }

  @Test("has every record of an attempt as one line of JSON with a tenant and a moment")
  func lines() async throws {
    let story = try await FaultStory.tell(.reauthAuthFirst)
    var kinds: Set<String> = []
    for record in story.records {
      let object = Data(record.json.utf8).object
      #expect(!record.json.contains("\n"))
      #expect(object["tenant"] as? String == "acme")
      #expect((object["at"] as? Double ?? 0) > 1_700_000_000)
      kinds.insert(object["record"] as? String ?? "")
    }
    #expect(kinds == ["attempt", "outcome", "emission", "delivery", "callback", "connection"])
  }
}

@Suite("A configuration")
struct ConfigurationTests {
  @Test("is read from JSON with every value optional")
  func json() throws {
    let text = """
      {"port": 8090, "environments": [{"slug": "acme", "generation": "legacy", "user_cap": 50}],
       "delivery": {"base_delay": 1}, "faults": {"seed": 4, "rates": {"webhook_dropped": 0.5}},
       "thresholds": {"grace": 5, "expiry": 10, "horizon": 60}}
      """
    let read = try JSONDecoder().decode(SandboxConfiguration.self, from: Data(text.utf8))
    try read.validate()
    #expect(read.port == 8090 && read.host == "127.0.0.1")
    #expect(read.environments.map(\.generation) == [.legacy] && read.environments.first?.userCap == 50)
    #expect(read.delivery.baseDelay == 1 && read.delivery.maximumTries == 11)
    #expect(read.faults.rates == [.webhookDropped: 0.5])
    #expect(read.thresholds.horizon == 60)
    let again = try JSONDecoder().decode(SandboxConfiguration.self, from: try JSONEncoder().encode(read))
    #expect(again.environments == read.environments && again.faults == read.faults)
    let empty = try JSONDecoder().decode(SandboxConfiguration.self, from: Data("{}".utf8))
    #expect(empty.environments.map(\.slug) == ["sandbox"])
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(SandboxConfiguration.self, from: Data(#"{"faults":{"rates":{"nope":1}}}"#.utf8))
    }
  }
}

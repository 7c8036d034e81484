import Crypto
import Foundation
import TerraSandbox
import Testing

/// The HMAC that a receiver works out, by other means than the sandbox's signer.
private func isSigned(_ webhook: RegistryDouble.Webhook, secret: String) -> Bool {
  let elements = webhook.signature.split(separator: ",").map(String.init)
  guard elements.count == 2, elements[0].hasPrefix("t="), elements[1].hasPrefix("v1=") else { return false }
  let message = Data(elements[0].dropFirst(2).utf8) + Data(".".utf8) + Data(webhook.body)
  let code = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: Data(secret.utf8)))
  return elements[1].dropFirst(3) == code.map { String(format: "%02x", $0) }.joined()
}

/// The names of a JSON text's members, in order, those of nested objects included.
private func names(_ json: String) -> [String] {
  json.matches(of: #/"([a-z_0-9]+)":/#).map { String($0.1) }
}

@Suite("Webhooks")
struct WebhookTests {
  @Test("the signer agrees with signatures that other implementations made")
  func vectors() {
    #expect(
      WebhookSigner.header(body: Array("123".utf8), secret: "key", timestamp: 12_345_678)
        == "t=12345678,v1=dca55eca8f595bd4d80250ab9609c7cbecec8e581c5c3822294f7c2ee1c99377")
    let cancelled = """
      {"type":"auth_cancelled","status":"error","flow_id":"b2f9c611-52c8-4a63-9082-7e50e2f5a1cd",\
      "reason":"access_denied","reference_id":"your-user-123"}
      """
    #expect(
      WebhookSigner.header(body: Array(cancelled.utf8), secret: "test-signing-secret", timestamp: 1_767_225_600)
        == "t=1767225600,v1=0ed8ff289e5c92d9a1c690acdb6c14a2c06bf783b6261bc84b87d83d442923b6")
  }

  @Test("carry Terra's headers and a right signature", arguments: SandboxGeneration.allCases)
  func headers(generation: SandboxGeneration) async throws {
    var delivery = DeliverySettings(baseDelay: 0.05, maximumTries: 1)
    delivery.orderingTimestampRate = 1
    try await withStage(generation: generation, delivery: delivery) { stage in
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "zoë-東京", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      let webhook = try #require(stage.registry.received.first)
      #expect(isSigned(webhook, secret: "acme-signing-secret"))
      #expect(webhook.headers["content-type"] == "application/json")
      #expect(webhook.headers["x-terra-trace-id"] != nil)
      #expect(webhook.headers["terra-reference"] != nil)
      #expect(webhook.headers["terra-signature"] == webhook.signature)
      let seconds = try #require(Int(webhook.signature.dropFirst(2).prefix { $0 != "," }))
      switch generation {
      case .access:
        let milliseconds = try #require(Int(webhook.headers["x-terra-ordering-timestamp"] ?? ""))
        #expect(milliseconds / 1000 <= seconds && seconds - milliseconds / 1000 <= 1)
        #expect(webhook.headers["x-terra-signature"] != nil)
      case .legacy:
        #expect(webhook.headers["x-terra-ordering-timestamp"] == nil)
        #expect(webhook.headers["x-terra-signature"] == nil)
      }
    }
  }

  @Test("some carry no ordering timestamp")
  func absentTimestamp() async throws {
    try await withStage { stage in
      for _ in 1...60 {
        try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: nil, resource: "OURA")
      }
      await stage.sandbox.waitUntilIdle()
      let carrying = stage.registry.received.count { $0.headers["x-terra-ordering-timestamp"] != nil }
      #expect((1..<60).contains(carrying), "0.8 of 60: all or none has a chance of one in a million")
    }
  }

  @Test("have the members of Terra's own examples, in their order")
  func bodies() async throws {
    try await withStage { stage in
      let sandbox = stage.sandbox
      let first = try await sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "GARMIN")
      let second = try await sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "GARMIN")
      try await sandbox.rejectToken(tenant: "acme", userID: second)
      try await sandbox.changePermissions(tenant: "acme", userID: second, added: ["BODY_EXPORT"])
      try await sandbox.deauthenticate(tenant: "acme", userID: second)
      let third = try await sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "GARMIN")
      try await sandbox.revokeAtProvider(tenant: "acme", userID: third)
      _ = try await stage.load(try await stage.begin(.direct), form: "decision=deny")
      await sandbox.waitUntilIdle()
      let user = ["user_id", "provider", "last_webhook_update", "scopes", "reference_id", "active"]
      let expected = [
        "auth": ["type", "status", "message", "widget_session_id", "user"] + user,
        "user_reauth": ["type", "status", "message", "version", "new_user"] + user + ["old_user"] + user,
        "connection_error": ["type", "status", "message", "user"] + user,
        "permission_change": ["type", "status", "message", "version", "scopes_added", "scopes_removed", "user"] + user,
        "deauth": ["type", "status", "message", "user"] + user,
        "access_revoked": ["type", "status", "message", "user"] + user,
        "auth_cancelled": ["type", "status", "flow_id", "reason", "reference_id"],
      ]
      for (type, members) in expected {
        let webhook = try #require(stage.registry.received.first { $0.type == type }, "\(type)")
        #expect(names(String(decoding: webhook.body, as: UTF8.self)) == members)
      }
      let reauth = try #require(stage.registry.received.first { $0.type == "user_reauth" })
      #expect((reauth.json["old_user"] as? [String: Any])?["user_id"] as? String == first)
    }
  }

  @Test("of the legacy generation name the app user at the top level and tell who failed")
  func legacyBodies() async throws {
    try await withStage(generation: .legacy) { stage in
      _ = try await stage.load(try await stage.begin(.widget), form: "decision=deny&resource=OURA")
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "GARMIN")
      await stage.sandbox.waitUntilIdle()
      let success = try #require(stage.registry.received.first { $0.json["status"] as? String == "success" })
      #expect(success.json["reference_id"] as? String == "r")
      #expect(success.json["version"] as? String == "2022-03-16")
      let failure = try #require(stage.registry.received.first { $0.json["status"] as? String == "error" })
      #expect(failure.type == "auth")
      #expect(failure.json["reference_id"] as? String == "person-1")
      #expect(failure.json["widget_session_id"] is String)
      #expect((failure.json["user"] as? [String: Any])?["user_id"] is String)
    }
  }

  @Test("a Fitbit revocation is told as a deauthentication")
  func fitbit() async throws {
    try await withStage { stage in
      let userID = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "FITBIT")
      try await stage.sandbox.revokeAtProvider(tenant: "acme", userID: userID)
      await stage.sandbox.waitUntilIdle()
      #expect(Set(stage.registry.received.compactMap(\.type)) == ["auth", "deauth"])
    }
  }

  @Test("are tried again after 30 s, twice as long each time, with the same signature and trace id")
  func retries() async throws {
    let clock = JumpingClock()
    let registry = RegistryDouble(webhookStatus: { _ in 500 })
    try await withStage(delivery: DeliverySettings(), clock: clock, registry: registry) { stage in
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      #expect(clock.waits == [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360])
      let received = registry.received
      #expect(received.count == 11)
      #expect(Set(received.map(\.signature)).count == 1)
      #expect(Set(received.map { $0.headers["x-terra-trace-id"] }).count == 1)
      #expect(Set(received.map { $0.headers["x-terra-ordering-timestamp"] }).count == 1)
      #expect(Set(received.map(\.body)).count == 1)
      #expect(await stage.sandbox.ledger.firstSuccesses().isEmpty)
    }
  }

  @Test("wait at most eight hours between two tries")
  func cap() {
    #expect(DeliverySettings().delay(afterTry: 11) == 28_800)
    #expect(DeliverySettings().delay(afterTry: 5_000) == 28_800)
  }

  @Test("are signed anew where that is asked for, with the ordering timestamp unchanged")
  func resigned() async throws {
    let registry = RegistryDouble(webhookStatus: { $0 < 3 ? 404 : 204 })
    var delivery = DeliverySettings()
    delivery.resignsRetries = true
    try await withStage(delivery: delivery, clock: JumpingClock(), registry: registry) { stage in
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      #expect(registry.received.count == 3, "the third was answered with 204")
      #expect(Set(registry.received.map(\.signature)).count == 3)
      #expect(registry.received.allSatisfy { isSigned($0, secret: "acme-signing-secret") })
      #expect(Set(registry.received.map { $0.headers["x-terra-ordering-timestamp"] }).count == 1)
      let deliveries = await stage.sandbox.ledger.records().compactMap { record in
        if case .delivery(let delivery) = record { delivery } else { nil }
      }
      #expect(deliveries.map(\.status) == [404, 404, 204])
      #expect(deliveries.map(\.number) == [1, 2, 3])
      #expect(Set(deliveries.map(\.signedAt)).count == 3)
      #expect(await stage.sandbox.ledger.firstSuccesses().values.first == deliveries.last?.at)
    }
  }

  @Test("that nobody takes are written down without a status")
  func refused() async throws {
    try await withStage(clock: JumpingClock()) { stage in
      // Nobody listens on port 1.
      try await stage.sandbox.update(tenant: "acme") { $0.webhookURL = "http://127.0.0.1:1/" }
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      let statuses = await stage.sandbox.ledger.records().compactMap { record -> Int?? in
        if case .delivery(let delivery) = record { .some(delivery.status) } else { nil }
      }
      #expect(statuses == [nil, nil, nil])
    }
  }

  @Test("go to the URL that is configured at the time of the try, and are dropped where there is none")
  func presentURL() async throws {
    try await withStage { stage in
      try await stage.sandbox.update(tenant: "acme") { $0.webhookURL = nil }
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      #expect(stage.registry.received.isEmpty)
      let ledger = await stage.sandbox.ledger.ndjson()
      #expect(ledger.contains(#""dropped":true"#))
    }
  }

  @Test("are signed with a secret that the tenant does not know from the moment that is asked for")
  func wrongSecret() async throws {
    try await withStage { stage in
      try await stage.sandbox.signWithWrongSecret(tenant: "acme")
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      #expect(stage.registry.received.allSatisfy { !isSigned($0, secret: "acme-signing-secret") })
      #expect(await stage.sandbox.ledger.ndjson().contains(#""secret":"wrong""#))
      try await stage.sandbox.signWithWrongSecret(tenant: "acme", false)
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "s", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      #expect(stage.registry.received.last.map { isSigned($0, secret: "acme-signing-secret") } == true)
    }
  }

  @Test("with data are as large as asked for, well-formed and signed", arguments: [false, true])
  func data(namesLast: Bool) async throws {
    try await withStage { stage in
      let userID = try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: "r", resource: "OURA")
      await stage.sandbox.waitUntilIdle()
      for size in [10, 1_000, 20_000_000] {
        try await stage.sandbox.sendData(
          tenant: "acme", userID: userID, type: "activity", size: size, namesLast: namesLast)
        await stage.sandbox.waitUntilIdle()
        let webhook = try #require(stage.registry.received.last)
        #expect(webhook.body.count >= size && webhook.body.count < size + 2_000)
        #expect(isSigned(webhook, secret: "acme-signing-secret"))
        let sha256 = SHA256.hash(data: Data(webhook.body)).map { String(format: "%02x", $0) }.joined()
        #expect(await stage.sandbox.ledger.ndjson().contains(sha256))
        if size < 1_000_000 {
          #expect(webhook.type == "activity")
          #expect((webhook.json["user"] as? [String: Any])?["user_id"] as? String == userID)
        }
      }
    }
  }

  @Test("on their way at once are no more than allowed")
  func concurrency() async throws {
    let gate = Gate()
    try await withStage(delivery: DeliverySettings(concurrency: 3), registry: RegistryDouble(gate: gate)) { stage in
      for _ in 1...12 {
        try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: nil, resource: "OURA")
      }
      await gate.waitUntilWaiting(3)
      #expect(stage.sandbox.pendingWork == 12)
      await gate.open()
      await stage.sandbox.waitUntilIdle()
      #expect(await gate.most <= 3)
      #expect(stage.registry.received.count == 12)
    }
  }

  @Test("that are left do not hold back whoever waits for them and is cancelled")
  func cancellation() async throws {
    let gate = Gate()
    try await withStage(registry: RegistryDouble(gate: gate)) { stage in
      try await stage.sandbox.connectOutsideSession(tenant: "acme", referenceID: nil, resource: "OURA")
      await gate.waitUntilWaiting(1)
      let waiting = Task { await stage.sandbox.waitUntilIdle() }
      waiting.cancel()
      await waiting.value
      #expect(stage.sandbox.pendingWork == 1)
      await gate.open()
      await stage.sandbox.waitUntilIdle()
    }
  }
}

import Foundation
import Testing

/// Webhooks over real HTTP: what is taken in, and all that is bad.
@Suite(.timeLimit(.minutes(20))) struct WebhookTests {
  @Test func takesInASignedEventOnce() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      let webhook = SignedWebhook(SignedWebhook.success(userID: "u1"), secret: Deployment.secret)
      let answer = try await service.deliver(webhook)
      #expect(answer.status == 200)
      #expect(answer.member("disposition") == "accepted")
      #expect(try await service.deliver(webhook).member("disposition") == "duplicate")
      // The header's other name, in another case.
      let other = SignedWebhook(SignedWebhook.success(userID: "u2"), secret: Deployment.secret)
      let old = try await service.send(
        "POST", "/webhooks/terra/acme", headers: [("terra-signature", other.signature)], body: other.body)
      #expect(old.member("disposition") == "accepted")
    }
    #expect(try await deployment.items(["event", "list"]).count == 2)
    let connections = try await deployment.items(["connection", "list"])
    #expect(connections.compactMap { $0["status"] as? String } == ["active", "active"])
    #expect(try await deployment.items(["event", "receipts"]).isEmpty)
  }

  /// All of these are refused with one answer, for a tenant that exists and for one that does not; those of the
  /// former are kept as receipts.
  @Test func refusesWhatIsNotSigned() async throws {
    let deployment = try await Deployment.make()
    try await deployment.addTenant("globex")
    let body = SignedWebhook.success(userID: "u1")
    let right = SignedWebhook(body, secret: Deployment.secret)
    let foreign = SignedWebhook(body, secret: "globex-signing-secret")
    let headers: [[(String, String)]] = [
      [], [("X-Terra-Signature", "")], [("X-Terra-Signature", "nonsense")], [("X-Terra-Signature", "t=1,v1=")],
      [("X-Terra-Signature", "t=99999999999999999999,v1=00")], [("X-Terra-Signature", foreign.signature)],
      [("X-Terra-Signature", right.signature.replacing("v1=", with: "v0="))],
      [("X-Terra-Signature", right.signature + "x")],
      [("X-Terra-Signature", String(repeating: "a", count: 8_000))],
    ]
    try await deployment.serve { service in
      var answers: Set<[String]> = []
      for tenant in ["acme", "nobody", "No%20Slug", "%00", "%FF"] {
        for headers in headers {
          let answer = try await service.sendRaw(
            "POST /webhooks/terra/\(tenant)", headers: headers, body: Array(body.utf8))
          #expect(answer.status == 401)
          answers.insert(["\(answer.status)", answer.code ?? "", answer.member("detail") ?? ""])
        }
        let answer = try await service.sendRaw(
          "POST /webhooks/terra/\(tenant)", headers: [("X-Terra-Signature", foreign.signature)], body: foreign.body)
        answers.insert(["\(answer.status)", answer.code ?? "", answer.member("detail") ?? ""])
      }
      #expect(answers.count == 1, "who asks can tell tenants apart: \(answers)")
      // The right signature, for another tenant.
      #expect(try await service.deliver(right, to: "globex").status == 401)
      #expect(try await service.deliver(right).status == 200)
    }
    #expect(try await deployment.items(["event", "list"]).count == 1)
    let receipts = try await deployment.items(["event", "receipts", "--disposition", "rejected"])
    #expect(receipts.count == headers.count + 1)
  }

  /// Authentic, and not to be read: kept as evidence, answered 200, because Terra would send them again.
  @Test(arguments: [
    ("", "unreadable"), ("not json", "unreadable"), ("[]", "unreadable"), ("{}", "unreadable"),
    (#"{"type":7}"#, "unreadable"), (#"{"type":"auth","status":"success"}"#, "unreadable"),
    (#"{"type":"auth","status":"success","user":"x"}"#, "unreadable"),
    (#"{"type":"auth","status":"success","user":{"user_id":""}}"#, "unreadable"),
    (
      #"{"type":"google_no_datasource","status":"warning","user":{"user_id":"u1","provider":"GOOGLE"}}"#, "unknown_type"
    ),
  ])
  func keepsWhatCannotBeRead(body: String, disposition: String) async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      let answer = try await service.deliver(SignedWebhook(body, secret: Deployment.secret))
      #expect(answer.status == 200)
      #expect(answer.member("disposition") == disposition, "\(answer.body)")
      // It lives, and takes the next one.
      let next = SignedWebhook(SignedWebhook.success(userID: "u2"), secret: Deployment.secret)
      #expect(try await service.deliver(next).member("disposition") == "accepted")
    }
    let receipts = try await deployment.items(["event", "receipts"])
    #expect(receipts.count == 1)
    #expect(receipts.first?["disposition"] as? String == disposition)
  }

  @Test func keepsBytesThatAreNoText() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      for body in [
        Array(#"{"type":"auth","status":"success","user":{"user_id":"\u0000"}}"#.utf8), [0xff, 0xfe, 0x00, 0x7b],
        Array(#"{"type":"auth","status":"success","user":{"user_id":""#.utf8) + [0xc3, 0x28] + Array(#""}}"#.utf8),
      ] {
        let answer = try await service.deliver(SignedWebhook(body, secret: Deployment.secret))
        #expect(answer.status == 200)
        #expect(["unreadable", "unknown_type"].contains(answer.member("disposition")), "\(answer.body)")
      }
    }
    #expect(try await deployment.items(["event", "receipts"]).count == 3)
    #expect(try await deployment.items(["event", "list"]).isEmpty)
  }

  @Test(arguments: [
    (-3_600, "accepted"), (-49 * 3_600, "quarantined"), (299, "accepted"), (900, "quarantined"),
  ])
  func takesTheSignedTimeForWhatItIs(age: Int64, disposition: String) async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      let time = Int64(Date().timeIntervalSince1970) + age
      let webhook = SignedWebhook(SignedWebhook.success(userID: "u1"), time: time, secret: Deployment.secret)
      let answer = try await service.deliver(webhook)
      #expect(answer.status == 200)
      #expect(answer.member("disposition") == disposition)
    }
    let events = try await deployment.items(["event", "list"])
    #expect(events.count == (disposition == "accepted" ? 1 : 0))
  }

  @Test func takesHeadersThatAreEmptyOrRepeated() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      let first = SignedWebhook(SignedWebhook.success(userID: "u1"), secret: Deployment.secret)
      let empty = try await service.deliver(
        first, headers: [("X-Terra-Trace-Id", ""), ("X-Terra-Ordering-Timestamp", ""), ("Terra-Reference", "")])
      #expect(empty.member("disposition") == "accepted")
      let second = SignedWebhook(SignedWebhook.success(userID: "u2"), secret: Deployment.secret)
      let repeated = try await service.deliver(
        second,
        headers: [
          ("X-Terra-Trace-Id", "a"), ("X-Terra-Trace-Id", "b"), ("X-Terra-Ordering-Timestamp", "soon"),
          ("X-Terra-Ordering-Timestamp", "99999999999999999999"),
        ])
      #expect(repeated.member("disposition") == "accepted")
      // Both of Terra's names for the signature, with the same value.
      let third = SignedWebhook(SignedWebhook.success(userID: "u3"), secret: Deployment.secret)
      let both = try await service.deliver(third, headers: [("Terra-Signature", third.signature)])
      #expect(both.member("disposition") == "accepted")
    }
  }

  @Test func refusesWhatIsTooLarge() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      let padding = String(repeating: "x", count: 300 << 10)
      let event = SignedWebhook.success(userID: "u1").dropLast() + #","padding":"\#(padding)"}"#
      let answer = try await service.deliver(SignedWebhook(String(event), secret: Deployment.secret))
      #expect(answer.status == 413)
      #expect(answer.code == "content_too_large")
    }
    #expect(try await deployment.items(["event", "list"]).isEmpty)
  }

  /// A reference_id of no and of 4,096 characters: the event is kept either way, and nothing is stored that no
  /// index can hold.
  @Test func takesAnyReferenceID() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      for (user, reference) in [("u1", ""), ("u2", String(repeating: "r", count: 4_096))] {
        let body = SignedWebhook.success(userID: user, referenceID: reference)
        let answer = try await service.deliver(SignedWebhook(body, secret: Deployment.secret))
        #expect(answer.status == 200)
      }
    }
    let events = try await deployment.items(["event", "list"])
    let receipts = try await deployment.items(["event", "receipts"])
    #expect(events.count + receipts.count == 2)
  }
}

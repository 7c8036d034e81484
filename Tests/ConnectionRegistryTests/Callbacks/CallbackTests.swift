@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
import TestDatabase
import Testing

@Suite(.migratedDatabase) struct CallbackTests {
  /// The query of the URL that a browser is sent to, as its parameters in order.
  static func parameters(_ answer: CallbackAnswer) -> [String] {
    guard case .redirect(let url) = answer else { return [] }
    return (URLComponents(string: url)?.percentEncodedQuery ?? "").split(separator: "&").map(String.init)
  }

  static func isSent(_ answer: CallbackAnswer, to url: String) -> Bool {
    guard case .redirect(let target) = answer else { return false }
    return target == url || target.hasPrefix(url + "?") || target.hasPrefix(url + "#")
  }

  @Test func aClaimBeforeItsEventIsUnverifiedAndThenCorroborated() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let user = try #require(opened.session.userID)
      let answer = try await stage.visit(opened.token, "user_id=\(user)&reference_id=person-1&resource=FITBIT")
      #expect(Self.isSent(answer, to: Stage.returnURL))
      #expect(
        Self.parameters(answer) == [
          "user_id=\(user)", "reference_id=person-1", "resource=FITBIT", "session_id=\(opened.id.text)",
          "verdict=unverified",
        ])
      try await stage.expect(Payload.auth(user), .accepted)
      let callback = try #require(try await stage.registry.callbacks.list(tenant: "acme").items.first)
      #expect(callback.verdict == .corroborated)
      #expect(callback.sessionID == opened.id)
      let session = try await stage.registry.sessions.show(tenant: "acme", opened.id)
      #expect(session.status == .completed)
    }
  }

  @Test func aClaimAfterItsEventIsCorroboratedAtOnce() async throws {
    try await withStage { stage in
      let opened = try await stage.open()
      try await stage.expect(Payload.auth("u1", widgetSession: opened.session.terraSessionID), .accepted)
      let answer = try await stage.visit(opened.token, "resource=fitbit&reference_id=person-1&user_id=u1")
      #expect(Self.parameters(answer).last == "verdict=corroborated")
    }
  }

  @Test func aClaimStaysUnverifiedForTheGraceAndIsThenUnconfirmed() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      try await stage.visit(opened.token, "user_id=\(opened.session.userID ?? "")")
      try await stage.letPass(seconds: 400)
      let early = try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict)
      #expect(early == [.unverified])
      try await stage.letPass(seconds: 300)
      let late = try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict)
      #expect(late == [.unconfirmed])
      try await stage.expect(Payload.auth(opened.session.userID ?? ""), .accepted)
      let after = try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict)
      #expect(after == [.corroborated])
    }
  }

  @Test(arguments: [
    "user_id=another", "reference_id=another", "resource=OURA", "user_id=%00", "user_id=%FF%FE",
    "reference_id=person-1&reference_id=another",
  ])
  func aContradictedClaimGoesToTheFailureURLWithoutTerrasParameters(_ query: String) async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let answer = try await stage.visit(opened.token, query)
      #expect(Self.isSent(answer, to: Stage.failureURL))
      #expect(Self.parameters(answer) == ["session_id=\(opened.id.text)", "verdict=contradicted"])
    }
  }

  @Test(arguments: [
    "", "user_id=null&reference_id=null&resource=null", "user_id=&reference_id=&resource=", "user_id", "&&&=&",
    "resource=APPLE_IS_NOT_CLAIMED=", "other=1", "reference_id=person-1", "reference_id=person%2D1&resource=fitbit",
    "reference_id=person-1&reference_id=person-1", "reference_id=another&reference_id=person-1",
  ])
  func aQueryThatClaimsNothingWrongGoesToTheSuccessURL(_ query: String) async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let query = query.hasPrefix("resource=APPLE") ? "resource=" : query
      let answer = try await stage.visit(opened.token, query)
      #expect(Self.isSent(answer, to: Stage.returnURL))
      #expect(Self.parameters(answer).last == "verdict=unverified")
    }
  }

  @Test func percentEncodingIsKeptOnTheWayAndDecodedInTheClaim() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT", reference: "a+b@x.com")
      let answer = try await stage.visit(opened.token, "reference_id=a%2Bb%40x.com&note=\u{e4} b")
      #expect(Self.parameters(answer).prefix(2) == ["reference_id=a%2Bb%40x.com", "note=%C3%A4%20b"])
      let callback = try #require(try await stage.registry.callbacks.list(tenant: "acme").items.first)
      #expect(callback.referenceID == "a+b@x.com")
    }
  }

  @Test func aReloadWritesNothingAndIsAnsweredAgain() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let query = "user_id=\(opened.session.userID ?? "")"
      let first = try await stage.visit(opened.token, query)
      let second = try await stage.visit(opened.token, query)
      #expect(first == second)
      let callbacks = try await stage.count("redirect_callback")
      #expect(callbacks == 1)
      try await stage.visit(opened.token, query, outcome: .failure)
      let more = try await stage.count("redirect_callback")
      #expect(more == 2)
    }
  }

  @Test func unknownAndForeignTokensGetThePlainPageAndAreEvidence() async throws {
    try await withStage(StageSettings(slugs: ["acme", "other"])) { stage in
      let opened = try await stage.open("FITBIT")
      for (tenant, token) in [("acme", "nonsense"), ("other", opened.token), ("nobody", opened.token), ("acme", "")] {
        let answer = try await stage.visit(token, "user_id=x", tenant: tenant)
        #expect(answer == .unknown)
      }
      let kept = try await stage.count("redirect_callback")
      #expect(kept == 3)
      let verdicts = try await stage.registry.callbacks.list(tenant: "acme").items.map(\.verdict)
      #expect(verdicts == [.contradicted, .contradicted])
    }
  }

  @Test func anExpiredTokenIsAnsweredAndCountsAsBack() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let user = opened.session.userID ?? ""
      try await stage.expect(Payload.auth(user), .accepted)
      try await stage.letPass(seconds: 5_000)
      let answer = try await stage.visit(opened.token, "user_id=\(user)")
      #expect(Self.isSent(answer, to: Stage.returnURL))
      let run = try await stage.registry.reconciliations.run(tenant: "acme")
      #expect(run.foundNew == 0)
    }
  }

  @Test func aFailureGoesToTheFailureURLWithItsReason() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let answer = try await stage.visit(opened.token, "reason=missing_scopes", outcome: .failure)
      #expect(Self.isSent(answer, to: Stage.failureURL))
      #expect(Self.parameters(answer).first == "reason=missing_scopes")
      let session = try await stage.registry.sessions.show(tenant: "acme", opened.id)
      #expect(session.status == .failed)
    }
  }

  @Test func theTeamsOwnQueryAndFragmentStay() async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT", success: Stage.returnURL + "/x?own=1#there")
      guard case .redirect(let url) = try await stage.visit(opened.token, "resource=FITBIT") else {
        Issue.record("no redirect")
        return
      }
      #expect(
        url == Stage.returnURL + "/x?own=1&resource=FITBIT&session_id=\(opened.id.text)&verdict=unverified#there")
    }
  }

  @Test func theQueryNeverChoosesTheTarget() async throws {
    try await withStage { stage in
      for query in [
        "success_url=https://evil.example", "redirect=//evil.example", "a=1#@evil.example",
        "\r\nLocation: https://evil.example",
        "next=https://evil.example&return_success=https://evil.example", "@evil.example", "/../..//evil.example",
      ] {
        let opened = try await stage.open("FITBIT")
        guard case .redirect(let url) = try await stage.visit(opened.token, query) else {
          Issue.record("no redirect")
          return
        }
        #expect(url.hasPrefix(Stage.returnURL + "?"))
        #expect(url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
        #expect(URLComponents(string: url)?.host == "app.example")
      }
    }
  }

  /// Whoever reads the first value of a repeated parameter would take a forger's verdict for ours.
  @Test(arguments: ["verdict=corroborated", "verdic%74=corroborated", "session_id=x&verdict=corroborated", "verdict"])
  func aForgersVerdictIsNotPassedOn(_ query: String) async throws {
    try await withStage { stage in
      let opened = try await stage.open("FITBIT")
      let answer = try await stage.visit(opened.token, "a=1&\(query)&b=2")
      #expect(
        Self.parameters(answer) == ["a=1", "b=2", "session_id=\(opened.id.text)", "verdict=unverified"])
    }
  }

  @Test func aCallbackNeverMakesAConnection() async throws {
    try await withStage { stage in
      let opened = try await stage.open()
      try await stage.visit(opened.token, "user_id=u1&reference_id=person-1&resource=FITBIT")
      let connections = try await stage.count("connection")
      #expect(connections == 0)
    }
  }
}

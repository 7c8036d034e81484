@testable import ConnectionRegistry
import Foundation
import Testing

/// What a client of Terra's may ask for, and how its redirects are wrapped.
@Suite struct GatewayRedirectTests {
  static let allowed = "https://app.example/devices"

  static func read(_ body: String, _ query: String = "", _ tenant: Tenant = ReturnURLTests.production) throws
    -> GatewayRedirects
  {
    try GatewayRedirects(body: Array(body.utf8), query: GatewayQuery(query), tenant: tenant)
  }

  @Test(arguments: [
    (#"{"auth_success_redirect_url":"https://app.example/devices"}"#, ""),
    (#"{"auth_success_redirect\u005furl":"https:\/\/app.example\/devices"}"#, "x=1"),
    ("", "auth_success_redirect_url=https%3A%2F%2Fapp.example%2Fdevices"),
    ("", "a=%2F&auth_success%5Fredirect_url=https://app.example/devices&b"),
    (#"{"auth_success_redirect_url":null}"#, "auth_success_redirect_url=https://app.example/devices"),
  ])
  func aRedirectIsFoundWhereverItStands(_ body: String, _ query: String) throws {
    let asked = try Self.read(body, query)
    #expect(asked.success == Self.allowed)
    #expect(asked.failure == nil)
    let wrapped = asked.wrapped(base: "https://registry.example/cb/t")
    let sent = String(decoding: wrapped.body, as: UTF8.self) + "?" + wrapped.query
    #expect(sent.contains("cb%2Ft%2Fsuccess") || sent.contains("/cb/t/success"), "\(sent)")
    #expect(!sent.contains("app.example"), "\(sent)")
  }

  @Test(arguments: [
    "https://someone:hush@evil.example/x", "https://evil.example/x?mail=hush@x.example",
    "https://a:hush?b@evil.example",
    "someone:hush@evil.example", "https://a@b:hush#c@evil.example/",
  ])
  func anErrorShowsNoUserInformation(_ url: String) throws {
    let error = #expect(throws: RegistryError.self) {
      _ = try Self.read(#"{"auth_success_redirect_url":"\#(url)"}"#)
    }
    #expect(error?.code == .returnURLNotAllowed)
    #expect(error?.message.contains("hush") == false && error?.message.contains("someone") == false)
  }

  @Test func whatIsNotAskedForStaysAsItIs() throws {
    for (body, query) in [
      ("", ""), ("{}", "a=b&&c=%zz&d"),
      (#"{ "auth_success_redirect_url" : "" , "x":1.0}"#, "auth_success_redirect_url="),
      (#"{"auth_failure_redirect_url":null}"#, ""),
    ] {
      let asked = try Self.read(body, query)
      let wrapped = asked.wrapped(base: "https://registry.example/cb/t")
      #expect(String(decoding: wrapped.body, as: UTF8.self) == body)
      #expect(wrapped.query == query)
    }
  }

  @Test func theModeOfTheOlderWidgetIsPassedOn() throws {
    let asked = try Self.read(#"{"auth_success_redirect_url":"multi-auth"}"#)
    #expect(asked.isMultiAuth)
    #expect(asked.success == nil)
    #expect(asked.wrapped(base: "b").body == Array(#"{"auth_success_redirect_url":"multi-auth"}"#.utf8))
  }

  /// A second value could be the one that Terra takes, and nobody would have looked at it.
  @Test(arguments: [
    (
      #"{"auth_success_redirect_url":"https://app.example/devices","auth_success_redirect_url":"https://evil.example"}"#,
      ""
    ),
    (#"{"auth_success_redirect_url":"https://app.example/devices"}"#, "auth_success_redirect_url=https://evil.example"),
    ("", "auth_success_redirect_url=https://app.example/devices&auth_success_redirect_url=https://evil.example"),
    ("", "x=1;auth_success_redirect_url=https://evil.example"), (#"{"auth_success_redirect_url":["x"]}"#, ""),
    (#"{"auth_success_redirect_url":7}"#, ""), ("[1]", ""), ("a=b", ""), (#"{"reference_id":5}"#, ""),
    (#"{"reference_id":"a\u0000b"}"#, ""), (#"{"reference_id":"a"}"#, "reference_id=b"),
  ])
  func whatIsAmbiguousIsRefused(_ body: String, _ query: String) {
    expectError(.invalidRequest) { _ = try Self.read(body, query) }
  }

  @Test(arguments: ["https://evil.example/", "javascript:alert(1)", "https://app.example@evil.example/", "nonsense"])
  func whatIsNotAllowedIsNamedWithTheWayToAllowIt(_ url: String) {
    let error = expectError(.returnURLNotAllowed) {
      _ = try Self.read(#"{"auth_failure_redirect_url":"\#(url)?token=1"}"#)
    }
    #expect(error?.field == "auth_failure_redirect_url")
    #expect(error?.message.contains("registry tenant update acme --return-url") == true)
    #expect(error?.message.contains("token=1") == false)
  }

  @Test func inShadowModeRedirectsAreTheClientsOwn() throws {
    var tenant = ReturnURLTests.production
    tenant.shadow = true
    let body = #"{"auth_success_redirect_url":"https://anywhere.example"}"#
    let asked = try Self.read(body, "", tenant)
    #expect(asked.success == nil)
    #expect(asked.wrapped(base: "b").body == Array(body.utf8))
  }
}

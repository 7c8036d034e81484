@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra
import Testing

@Suite struct ReturnURLTests {
  static func tenant(_ environment: String, _ urls: [String]) -> Tenant {
    Tenant(
      slug: "acme", environment: environment, shadow: false, devID: "d", terraBaseURL: "", terraWidgetURL: "",
      returnURLs: urls, bindsBrowser: false, createdAt: Date(timeIntervalSince1970: 0))
  }

  static let production = tenant(
    "production", ["https://app.example/devices", "myapp://connected", "https://any.example"])
  static let testing = tenant("testing", ["http://localhost:3000/cb", "http://[::1]:3000/", "http://127.0.0.1/"])

  @Test(arguments: [
    ("https://app.example/devices", "https://app.example/devices"),
    ("https://app.example/devices/", "https://app.example/devices/"),
    ("https://app.example/devices/1?x=1&y=%2F#z", "https://app.example/devices/1?x=1&y=%2F#z"),
    ("HTTPS://APP.example/devices", "https://app.example/devices"),
    ("https://any.example", "https://any.example"), ("https://any.example/a/b", "https://any.example/a/b"),
    ("myapp://connected", "myapp://connected"), ("myapp://connected?ok=1", "myapp://connected?ok=1"),
  ])
  func whatTheListCoversIsTaken(_ url: String, _ text: String) throws {
    #expect(try ReturnURL(url, field: "success_url", of: Self.production).text == text)
  }

  @Test(arguments: [
    "http://app.example/devices", "http://localhost/devices", "https://app.example", "https://app.example/",
    "https://app.example/devicesX", "https://app.example/device", "https://app.example/Devices",
    "https://app.example/devices/../admin", "https://app.example/devices/%2e%2E/admin",
    "https://app.example/devices/.", "https://app.example/devices/..%2fadmin",
    "https://app.example/devices/..%5cadmin", "https://app.example/devices\\..\\admin",
    "https://app.example:443/devices", "https://app.example:8443/devices", "https://evil.example/devices",
    "https://app.example.evil.example/devices", "https://evil@app.example/devices",
    "https://app.example@evil.example/devices", "https://app.example:x@evil.example/devices",
    "https://app.example\\@evil.example/devices", "https:///devices", "https:app.example/devices",
    "//app.example/devices", "/devices", "app.example/devices", "", " https://app.example/devices",
    "https://app.example/devices\n", "https://app.example/devices\u{0}", "https://app.example/d\u{e9}vices",
    "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
    "blob:https://app.example/x", "intent://x#Intent;end", "myapp://other", "myapp://connected/more", "myapp:connected",
    "https://app.example./devices", "https://[::1]/devices",
    "https://app.example/devices?\(String(repeating: "x", count: 2_048))",
  ])
  func whatTheListDoesNotCoverIsRefused(_ url: String) {
    expectError(.returnURLNotAllowed) {
      _ = try ReturnURL(url, field: "success_url", of: Self.production)
    }
  }

  /// What a query holds decides nothing, and an app's name stays as it is written.
  @Test(arguments: [
    ("myapp:connected", "myapp:connected?u=https://x.example", "myapp:connected?u=https://x.example"),
    ("myapp:connected", "myapp:connected#https://x", "myapp:connected#https://x"),
    ("myapp:/connected", "myapp:/connected?u=a://b", "myapp:/connected?u=a://b"),
    ("myapp://connected", "myapp://connected?u=a://b", "myapp://connected?u=a://b"),
    ("myapp:///connected", "myapp:///connected", "myapp:///connected"),
    ("MyApp://Devices/Added", "MYAPP://Devices/Added", "myapp://Devices/Added"),
    // An entry is compared without regard to case, and the URL sent as it was given.
    ("myapp://devices", "myapp://Devices", "myapp://Devices"),
  ])
  func anAppsURLIsSentAsItWasCompared(_ entry: String, _ url: String, _ text: String) throws {
    let tenant = Self.tenant("production", [try ReturnURL(pattern: entry, environment: "production").text])
    #expect(try ReturnURL(url, field: "success_url", of: tenant).text == text)
  }

  @Test(arguments: [
    ("myapp:connected", "myapp://connected?u=https://x"), ("myapp:connected", "myapp://connected"),
    ("myapp://connected", "myapp:connected?u=myapp://connected"), ("myapp:connected", "myapp:other?u=https://x"),
  ])
  func anAppsURLOfAnotherFormIsRefused(_ entry: String, _ url: String) {
    expectError(.returnURLNotAllowed) {
      _ = try ReturnURL(url, field: "success_url", of: Self.tenant("production", [entry]))
    }
  }

  @Test(arguments: [
    ("http://localhost:3000/cb", "http://localhost:3000/cb"), ("http://127.0.0.1/x", "http://127.0.0.1/x"),
    ("http://[::1]:3000/x", "http://[::1]:3000/x"),
  ])
  func localhostIsTakenOutsideProduction(_ url: String, _ text: String) throws {
    #expect(try ReturnURL(url, field: "success_url", of: Self.testing).text == text)
  }

  @Test(arguments: [
    "http://localhost/cb", "http://localhost:3001/cb", "http://localhost.evil.example:3000/cb",
    "http://example.com/cb", "http://2130706433/", "http://127.0.0.1.evil.example/",
  ])
  func onlyTheListedLocalhostIsTaken(_ url: String) {
    expectError(.returnURLNotAllowed) {
      _ = try ReturnURL(url, field: "success_url", of: Self.testing)
    }
  }

  @Test func userInformationIsRefusedWhereverItStands() {
    for url in [
      "https://user@app.example/devices", "https://user:word@app.example/devices", "https://@app.example/devices",
      "https://app.example%40evil.example/devices",
    ] {
      expectError(.returnURLNotAllowed) { _ = try ReturnURL(url, field: "success", of: Self.production) }
    }
  }

  @Test func anIPv6LiteralIsTakenOnlyAsItIsListed() throws {
    let tenant = Self.tenant("production", ["https://[2001:db8::1]:8443/cb"])
    let url = "https://[2001:db8::1]:8443/cb/x"
    #expect(try ReturnURL(url, field: "success", of: tenant).text == url)
    for other in [
      "https://[2001:db8::2]:8443/cb", "https://[2001:db8::1]/cb", "https://2001:db8::1/cb",
      "https://[2001:db8::1/cb", "https://[::ffff:127.0.0.1]:8443/cb", "https://[2001:db8::1%25eth0]:8443/cb",
    ] {
      expectError(.returnURLNotAllowed) { _ = try ReturnURL(other, field: "success", of: tenant) }
    }
  }

  /// `аpp.example` with a Cyrillic letter, in both of its spellings.
  @Test func aLookAlikeInPunycodeIsAnotherHost() {
    for url in [
      "https://xn--pp-7ed.example/devices", "https://XN--PP-7ED.example/devices", "https://\u{430}pp.example/devices",
      "https://%D0%B0pp.example/devices", "https://app.example\u{3002}evil.example/devices",
    ] {
      expectError(.returnURLNotAllowed) { _ = try ReturnURL(url, field: "success", of: Self.production) }
    }
  }

  @Test func aFragmentAndAQueryOfItsOwnStayWhereTheyWere() throws {
    let url = "https://app.example/devices?a=1&b=%26#part?x"
    let text = try ReturnURL(url, field: "success", of: Self.production).text
    #expect(text == url)
    #expect(ReturnURL.appending("user_id=u", to: text) == "https://app.example/devices?a=1&b=%26&user_id=u#part?x")
  }

  @Test(arguments: ["https://app.example/?a=1", "https://app.example/#x"])
  func anEntryHasNeitherQueryNorFragment(_ entry: String) {
    expectError(.invalidRequest) {
      _ = try ReturnURL(pattern: entry, environment: "production")
    }
  }

  @Test(arguments: [
    ("https://a.example/x", "https://a.example/x?q=1"), ("https://a.example/x?y", "https://a.example/x?y&q=1"),
    ("https://a.example/x?", "https://a.example/x?q=1"), ("https://a.example/x#f", "https://a.example/x?q=1#f"),
    ("https://a.example/x#f?g", "https://a.example/x?q=1#f?g"), ("myapp://a", "myapp://a?q=1"),
  ])
  func aQueryIsAppendedBeforeTheFragment(_ url: String, _ expected: String) {
    #expect(ReturnURL.appending("q=1", to: url) == expected)
  }
}

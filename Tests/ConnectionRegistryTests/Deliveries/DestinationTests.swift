@testable import ConnectionRegistry
import Foundation
import Testing

/// Where deliveries may go: every special range by name, with an address at each of its ends and just outside.
@Suite struct DestinationTests {
  @Test(arguments: [
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.0", "172.31.255.255",
    "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.0",
    "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "100::1",
    "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
    "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fec0::1", "febf::1",
    "ff02::1", "ff0e::1", "4000::1",
  ])
  func refusesWhatIsNotPublic(text: String) throws {
    let address = try #require(NetworkAddress(text))
    #expect(!DestinationPolicy().allows(address, of: "backend.example"))
  }

  @Test(arguments: [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1",
  ])
  func allowsWhatIsPublic(text: String) throws {
    let address = try #require(NetworkAddress(text))
    #expect(DestinationPolicy().allows(address, of: "backend.example"))
  }

  @Test func allowsWhatTheOperatorLists() throws {
    let policy = try DestinationPolicy("10.20.0.0/15, fd00:1::/32 ,127.0.0.1,Backend.Internal")
    func allows(_ text: String, of host: String = "any.example") throws -> Bool {
      policy.allows(try #require(NetworkAddress(text)), of: host)
    }
    #expect(try allows("10.20.0.0") && allows("10.21.255.255") && allows("127.0.0.1") && allows("fd00:1:2::3"))
    #expect(try !allows("10.22.0.0") && !allows("10.19.255.255") && !allows("127.0.0.2") && !allows("fd00:2::1"))
    #expect(try !allows("::ffff:10.20.0.1"), "a range of one family lets addresses of the other through")
    #expect(try allows("192.168.1.1", of: "backend.INTERNAL") && !allows("192.168.1.1", of: "x.backend.internal"))
    #expect(try DestinationPolicy("").allows(#require(NetworkAddress("8.8.8.8")), of: "a"))
  }

  @Test(arguments: ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "::/129", "fd00::/x", "a b/c", "http://x"])
  func saysWhichEntryIsWrong(text: String) {
    let error = expectError(.invalidRequest) { _ = try DestinationPolicy(text) }
    #expect(error?.field == "REGISTRY_DELIVERY_ALLOW")
  }

  @Test func readsAndWritesAddresses() {
    for text in ["1.2.3.4", "::", "::1", "2001:db8::1", "64:ff9b::a00:1"] {
      #expect(NetworkAddress(text)?.text == text)
    }
    for text in ["", "1.2.3", "1.2.3.4.5", "0x7f.0.0.1", "2130706433", "01.2.3.4", "[::1]", "fe80::1%eth0", "g::"] {
      #expect(NetworkAddress(text) == nil, "\(text)")
    }
  }

  /// What a resolver makes of unusual spellings is checked like any other address.
  @Test(arguments: ["127.1", "0x7f000001", "2130706433", "017700000001", "localhost"])
  func refusesUnusualSpellingsOfLoopback(host: String) async throws {
    let url = try EndpointURL("https://\(host)/x", environment: "production")
    await #expect(throws: DeliveryFailure(.addressRefused)) {
      _ = try await DeliverySession.addresses(
        of: url, for: UUID(), settings: DeliveryConfiguration(), resolver: HostResolver())
    }
  }

  @Test func saysThatAHostHasNoAddress() async throws {
    let url = try EndpointURL("https://no-such-host.invalid/", environment: "production")
    await #expect(throws: DeliveryFailure(.hostUnresolved)) {
      _ = try await DeliverySession.addresses(
        of: url, for: UUID(), settings: DeliveryConfiguration(), resolver: HostResolver())
    }
  }

  @Test(arguments: [
    ("https://backend.example", "https://backend.example/"),
    ("HTTPS://Backend.Example/A?b=c", "https://backend.example/A?b=c"),
    ("https://backend.example:8443/x", "https://backend.example:8443/x"),
    ("https://[2606:4700::1]/x", "https://[2606:4700::1]/x"),
    ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
  ])
  func takesURLs(given: String, stored: String) throws {
    #expect(try EndpointURL(given, environment: "production").text == stored)
  }

  @Test(arguments: [
    "", "backend.example", "/x", "ftp://backend.example/", "http://backend.example/", "https://", "https:///x",
    "https://user@backend.example/", "https://user:password@backend.example/", "https://backend.example/#part",
    "https://backend.example/a b", "https://b\u{fc}cher.example/", "https://backend.example:0/",
    "https://backend.example:65536/", "https://backend.example\\@evil.example/", "https://[fe80::1%25eth0]/",
    "https://[v1.x]/", "https://back%65nd.example/", "javascript:alert(1)",
    "https://backend.example/\(String(repeating: "x", count: 2_048))",
  ])
  func refusesURLs(url: String) {
    let error = expectError(.invalidRequest) { _ = try EndpointURL(url, environment: "staging") }
    #expect(error?.field == "url")
  }

  @Test func takesPlainHTTPInTestingOnly() throws {
    #expect(try !EndpointURL("http://backend.example/", environment: "testing").isSecure)
  }
}

@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import TestDatabase
import TestReceiver
import Testing

/// Deliveries to a host by its name, over TLS: to the address that was checked, and only to whom the certificate names.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct SecureDeliveryTests {
  /// What the names lead to: one answer after the other, the last one for ever.
  private final class Names: Sendable {
    private let answers: [[String]]
    private let looked = NIOLockedValueBox<[String]>([])

    init(_ answers: [String]...) {
      self.answers = answers
    }

    /// The names that were looked up.
    var asked: [String] { looked.withLockedValue { $0 } }

    var resolver: HostResolver {
      HostResolver { [self] host in
        let number = looked.withLockedValue { names in
          names.append(host)
          return names.count
        }
        return answers[min(number, answers.count) - 1].compactMap(NetworkAddress.init)
      }
    }
  }

  private static let host = TestAuthority.host
  private static let loopback = ["127.0.0.1"]

  private static func settings(_ names: Names, _ authority: TestAuthority?) -> DeliveryConfiguration {
    .forTests {
      $0.deadline = .seconds(20)
      $0.lease = .seconds(60)
      $0.firstRetry = .seconds(600)
      $0.hostResolver = names.resolver
      $0.trustRootsFile = authority?.root
    }
  }

  private static func url(_ receiver: Receiver) throws -> EndpointURL {
    try EndpointURL("https://\(host):\(receiver.port)/deliveries", environment: "production")
  }

  private static func session(
    _ receiver: Receiver, _ names: Names, _ authority: TestAuthority?
  ) throws -> DeliverySession {
    let settings = settings(names, authority)
    return DeliverySession(try url(receiver), of: UUID(), settings: settings, resolver: settings.hostResolver, turn: 0)
  }

  private static func send(_ session: DeliverySession) async throws -> DeliveryOutcome {
    try await session.send(id: UUID.version7().text, body: "{}", secrets: [EndpointSecret()], at: Date())
  }

  @Test func aChangeArrivesAtTheHostThatTheURLNames() async throws {
    try await TestAuthority.with { authority in
      let shown = NIOLockedValueBox<[String?]>([])
      try await Receiver.secured(by: authority.server(.valid, shown)) { receiver in
        let names = Names(Self.loopback)
        try await withStage(.delivering(Self.settings(names, authority))) { stage in
          let url = try Self.url(receiver).text
          let endpoint = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: url))
          try await stage.deliver(Payload.auth("user-1"))
          await receiver.wait(taken: 1)
          try await stage.settleDeliveries()
          let request = receiver.requests[0]
          #expect(request.target == "/deliveries")
          #expect(request.headers["host"] == "\(Self.host):\(receiver.port)")
          #expect(shown.withLockedValue { $0 } == [Self.host])
          let secret = try #require(EndpointSecret(endpoint.secret))
          let timestamp = try #require(Int64(request.headers["webhook-timestamp"] ?? ""))
          #expect(
            request.headers["webhook-signature"]
              == secret.signature(id: request.id, timestamp: timestamp, body: request.body))
          // Once when the endpoint was added, once for the attempt.
          #expect(names.asked == [Self.host, Self.host])
          let delivery = try await stage.registry.deliveries.list(tenant: "acme").items[0]
          #expect(delivery.state == .delivered && delivery.attempts == 1)
        }
      }
    }
  }

  /// Each attempt takes a connection of its own here: to the address that was checked for it, and by one look-up.
  @Test func theClientLooksNothingUp() async throws {
    try await TestAuthority.with { authority in
      let shown = NIOLockedValueBox<[String?]>([])
      try await Receiver.secured(by: authority.server(.valid, shown), answering: ["Connection: close"]) { receiver in
        let names = Names(Self.loopback, Self.loopback, Self.loopback, ["10.9.8.7"])
        let session = try Self.session(receiver, names, authority)
        for _ in 1...3 { #expect(try await Self.send(session) == .delivered(status: 200)) }
        #expect(try await Self.send(session) == .failed(DeliveryFailure(.addressRefused)))
        await session.close()
        #expect(shown.withLockedValue { $0 } == [Self.host, Self.host, Self.host], "not a connection each")
        #expect(names.asked == Array(repeating: Self.host, count: 4))
        #expect(receiver.requests.count == 3)
      }
    }
  }

  @Test(arguments: TestAuthority.Certificate.allCases.filter { $0 != .valid })
  func whoCannotShowThatTheyAreTheHostGetsNothing(_ certificate: TestAuthority.Certificate) async throws {
    try await TestAuthority.with { authority in
      try await Receiver.secured(by: authority.server(certificate)) { receiver in
        let session = try Self.session(receiver, Names(Self.loopback), authority)
        #expect(try await Self.send(session) == .failed(DeliveryFailure(.tls)))
        await session.close()
        #expect(receiver.requests.isEmpty)
      }
    }
  }

  /// Unless a test says otherwise, the authorities count that the machine trusts.
  @Test func anAuthorityThatNobodyKnowsIsNotTrusted() async throws {
    try await TestAuthority.with { authority in
      try await Receiver.secured(by: authority.server(.valid)) { receiver in
        let session = try Self.session(receiver, Names(Self.loopback), nil)
        #expect(try await Self.send(session) == .failed(DeliveryFailure(.tls)))
        await session.close()
        #expect(receiver.requests.isEmpty)
      }
    }
  }

  @Test func aServerThatSpeaksNoTLSGetsNothing() async throws {
    try await Receiver.secured(by: TestAuthority.withoutTLS) { receiver in
      let session = try Self.session(receiver, Names(Self.loopback), nil)
      #expect(try await Self.send(session) == .failed(DeliveryFailure(.tls)))
      await session.close()
      #expect(receiver.requests.isEmpty)
    }
  }

  @Test func theDeliverySaysThatTheCertificateIsWrong() async throws {
    try await TestAuthority.with { authority in
      try await Receiver.secured(by: authority.server(.ofAnotherName)) { receiver in
        try await withStage(.delivering(Self.settings(Names(Self.loopback), authority))) { stage in
          let url = try Self.url(receiver).text
          _ = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: url))
          try await stage.deliver(Payload.auth("user-1"))
          try await stage.waitForAttempts("delivery WHERE attempts = 1")
          let delivery = try await stage.registry.deliveries.list(tenant: "acme").items[0]
          #expect(delivery.state == .pending && delivery.lastError == "tls" && delivery.lastStatus == nil)
          #expect(receiver.requests.isEmpty)
        }
      }
    }
  }

  /// One address that is refused spoils all, wherever it stands: which one is called must not be left to chance.
  @Test(arguments: [
    ["93.184.216.34", "10.0.0.5"], ["10.0.0.5", "93.184.216.34"], ["127.0.0.1", "169.254.169.254"],
    ["127.0.0.1", "::1"], ["127.0.0.1", "2606:4700::1111", "::ffff:10.0.0.5"],
  ])
  func onePrivateAddressAmongSeveralIsRefused(_ addresses: [String]) async throws {
    let url = try EndpointURL("https://\(Self.host)/", environment: "production")
    let settings = Self.settings(Names(addresses), nil)
    for turn in 0..<4 {
      let session = DeliverySession(url, of: UUID(), settings: settings, resolver: settings.hostResolver, turn: turn)
      #expect(try await Self.send(session) == .failed(DeliveryFailure(.addressRefused)))
      await session.close()
    }
    try await withStage(.delivering(settings)) { stage in
      let error = await expectError(.invalidRequest) {
        _ = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: url.text))
      }
      #expect(error?.field == "url" && error?.message.contains("REGISTRY_DELIVERY_ALLOW") == true)
      #expect(error?.message.contains(addresses[0]) == false, "it tells what the operator's names lead to")
    }
  }

  @Test func anEndpointWhoseNameComesToLeadInsideIsCalledNoMore() async throws {
    try await TestAuthority.with { authority in
      try await Receiver.secured(by: authority.server(.valid)) { receiver in
        let names = Names(Self.loopback, ["127.0.0.1", "10.0.0.5"])
        try await withStage(.delivering(Self.settings(names, authority))) { stage in
          let url = try Self.url(receiver).text
          _ = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: url))
          try await stage.deliver(Payload.auth("user-1"))
          try await stage.waitForAttempts("delivery WHERE attempts = 1")
          let delivery = try await stage.registry.deliveries.list(tenant: "acme").items[0]
          #expect(delivery.state == .pending && delivery.lastError == "address_refused")
          #expect(receiver.requests.isEmpty)
        }
      }
    }
  }
}

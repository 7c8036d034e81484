@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import TestReceiver
import Testing

/// Where an attempt goes when the name of an endpoint leads somewhere else than before.
@Suite(.timeLimit(.minutes(20))) struct DeliverySessionTests {
  /// What a host leads to, as long as nothing else is said.
  private final class Names: Sendable {
    private let addresses = NIOLockedValueBox<[NetworkAddress]>([])
    private let asked = NIOLockedValueBox(0)

    var timesAsked: Int { asked.withLockedValue { $0 } }

    func lead(to texts: String...) { addresses.withLockedValue { $0 = texts.compactMap(NetworkAddress.init) } }

    var resolver: HostResolver {
      HostResolver { [self] _ in
        asked.withLockedValue { $0 += 1 }
        return addresses.withLockedValue { $0 }
      }
    }
  }

  private static func send(_ session: DeliverySession, _ body: String) async throws -> DeliveryOutcome {
    try await session.send(
      id: UUID().text, body: body, secrets: [EndpointSecret()], at: Date(timeIntervalSince1970: 1_800_000_000))
  }

  @Test func aHostIsLookedUpAndCheckedAtEveryAttempt() async throws {
    try await Receiver.with { receiver in
      let names = Names()
      let settings = DeliveryConfiguration.forTests { $0.deadline = .seconds(10) }
      let url = try EndpointURL("http://backend.example:\(receiver.port)/x", environment: "testing")
      let session = DeliverySession(url, of: UUID(), settings: settings, resolver: names.resolver, turn: 0)
      names.lead(to: "127.0.0.1")
      #expect(try await Self.send(session, "1") == .delivered(status: 200))
      // The connection is open, and the name does not lead to it any more.
      for elsewhere in ["169.254.169.254", "10.0.0.1", "::1"] {
        names.lead(to: elsewhere)
        #expect(try await Self.send(session, "2") == .failed(DeliveryFailure(.addressRefused)), "\(elsewhere)")
      }
      names.lead(to: "127.0.0.1", "10.0.0.1")
      #expect(try await Self.send(session, "3") == .failed(DeliveryFailure(.addressRefused)))
      names.lead()
      #expect(try await Self.send(session, "4") == .failed(DeliveryFailure(.addressRefused)))
      names.lead(to: "127.0.0.1")
      #expect(try await Self.send(session, "5") == .delivered(status: 200))
      #expect(receiver.requests.map(\.body) == ["1", "5"])
      #expect(receiver.requests.allSatisfy { $0.headers["host"] == "backend.example:\(receiver.port)" })
      #expect(names.timesAsked == 7)
      await session.close()
    }
  }

  @Test func anAttemptFollowsTheNameToAnotherAddress() async throws {
    try await Receiver.with { receiver in
      let names = Names()
      let settings = DeliveryConfiguration.forTests {
        $0.deadline = .seconds(10)
        $0.allowed = (try? DestinationPolicy("127.0.0.0/8")) ?? $0.allowed
      }
      let url = try EndpointURL("http://backend.example:\(receiver.port)/x", environment: "testing")
      let session = DeliverySession(url, of: UUID(), settings: settings, resolver: names.resolver, turn: 1)
      names.lead(to: "127.0.0.1")
      #expect(try await Self.send(session, "1") == .delivered(status: 200))
      // Nobody listens there.
      names.lead(to: "127.0.0.2")
      #expect(try await Self.send(session, "2") == .failed(DeliveryFailure(.unreachable)))
      names.lead(to: "127.0.0.2", "127.0.0.1")
      #expect(try await Self.send(session, "3") == .failed(DeliveryFailure(.unreachable)))
      names.lead(to: "127.0.0.1")
      #expect(try await Self.send(session, "4") == .delivered(status: 200))
      #expect(receiver.requests.map(\.body) == ["1", "4"])
      await session.close()
    }
  }
}

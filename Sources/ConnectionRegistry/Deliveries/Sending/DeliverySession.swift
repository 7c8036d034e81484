import AsyncHTTPClient
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// A way to one endpoint: its host is looked up and checked at each attempt, and the attempt goes to the very address that
/// was checked.
///
/// A name that leads elsewhere afterwards (DNS rebinding) leads nowhere, because nothing looks it up again: the client
/// connects to the checked address, while TLS and the `Host` header still name the host. A connection is used again only
/// while the name leads to its address.
final class DeliverySession: Sendable {
  /// A client whose connections all lead to one address; it is shut down with the last attempt that uses it.
  private final class Way: Sendable {
    let address: NetworkAddress
    let client: HTTPClient

    init(to address: NetworkAddress, of url: EndpointURL, settings: DeliveryConfiguration) {
      var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
      configuration.timeout.connect = TimeAmount(min(settings.deadline, .seconds(10)))
      configuration.connectionPool.retryConnectionEstablishment = false
      configuration.connectionPool.idleTimeout = .seconds(10)
      configuration.decompression = .disabled
      if NetworkAddress(url.host) == nil { configuration.dnsOverride = [url.host: address.text] }
      if let file = settings.trustRootsFile {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(file)
        configuration.tlsConfiguration = tls
      }
      self.address = address
      client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    deinit { client.shutdown { _ in } }
  }

  let url: EndpointURL
  private let tenantID: UUID
  private let settings: DeliveryConfiguration
  private let resolver: HostResolver
  private let turn: Int
  private let way = NIOLockedValueBox<Way?>(nil)

  /// How much of an answer's body is read, so that the connection can be used again. Nothing of it is kept.
  static let maximumAnswerBytes = 16 << 10

  /// - Parameters:
  ///   - url: the endpoint's URL.
  ///   - tenantID: whose it is.
  ///   - settings: what may be called, and how long it may take.
  ///   - resolver: looks hosts up.
  ///   - turn: which of several addresses to take, counted from 0.
  init(
    _ url: EndpointURL, of tenantID: UUID, settings: DeliveryConfiguration, resolver: HostResolver, turn: Int
  ) {
    self.url = url
    self.tenantID = tenantID
    self.settings = settings
    self.resolver = resolver
    self.turn = turn
  }

  /// Looks the host up.
  ///
  /// - Parameters:
  ///   - url: where to.
  ///   - tenantID: for whom.
  ///   - settings: what may be called, and how long the look-up may take.
  ///   - resolver: looks hosts up.
  /// - Returns: the addresses that may be called, after all of the host's addresses were found to be allowed.
  /// - Throws: ``DeliveryFailure``; `HostResolver.Failure.noTurn`, which says nothing of the host; `CancellationError`.
  static func addresses(
    of url: EndpointURL, for tenantID: UUID, settings: DeliveryConfiguration, resolver: HostResolver
  ) async throws -> [NetworkAddress] {
    let addresses: [NetworkAddress]
    do {
      addresses = try await resolver.addresses(of: url.host, for: tenantID, within: settings.deadline)
    } catch let error where error is CancellationError {
      throw error
    } catch HostResolver.Failure.noTurn {
      throw HostResolver.Failure.noTurn
    } catch {
      throw DeliveryFailure(.hostUnresolved)
    }
    // One that is refused spoils all: which one is called must not be left to chance.
    guard !addresses.isEmpty, addresses.allSatisfy({ settings.allowed.allows($0, of: url.host) }) else {
      throw DeliveryFailure(.addressRefused)
    }
    return addresses
  }

  /// The way that an attempt takes: the one so far, while the name still leads there.
  private func checkedWay() async throws -> Way {
    let addresses = try await Self.addresses(of: url, for: tenantID, settings: settings, resolver: resolver)
    return way.withLockedValue { way in
      if let way, addresses.contains(way.address) { return way }
      let made = Way(to: addresses[turn % addresses.count], of: url, settings: settings)
      way = made
      return made
    }
  }

  /// Closes the connections.
  func close() async {
    try? await way.withLockedValue { $0 }?.client.shutdown()
  }

  /// Makes one attempt.
  ///
  /// - Parameters:
  ///   - id: the delivery's id, the same in every attempt.
  ///   - body: the body.
  ///   - secrets: what to sign with, the newest first.
  ///   - now: the time.
  /// - Returns: what became of it, after the deadline of the settings at the latest.
  /// - Throws: `CancellationError`; `HostResolver.Failure.noTurn` where no attempt was made, because the tenant's other
  ///   look-ups took all the time.
  func send(id: String, body: String, secrets: [EndpointSecret], at now: Date) async throws -> DeliveryOutcome {
    let began = ContinuousClock.now
    let way: Way
    do {
      way = try await checkedWay()
    } catch let failure as DeliveryFailure {
      return .failed(failure)
    }
    let deadline = settings.deadline - (ContinuousClock.now - began)
    guard deadline > .zero else { return .failed(DeliveryFailure(.hostUnresolved)) }
    let timestamp = Int64(now.timeIntervalSince1970)
    var request = HTTPClientRequest(url: url.text)
    request.method = .POST
    request.headers = [
      "content-type": "application/json", "user-agent": "connection-registry", "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": secrets.map { $0.signature(id: id, timestamp: timestamp, body: body) }
        .joined(separator: " "),
    ]
    request.body = .bytes(ByteBuffer(string: body))
    do {
      return try await Self.within(deadline) { [way, request] in
        let answer = try await way.client.execute(request, deadline: .now() + TimeAmount(deadline))
        var read = 0
        for try await piece in answer.body {
          read += piece.readableBytes
          // The status is known; what goes on for ever is not listened to.
          if read > Self.maximumAnswerBytes { break }
        }
        try Task.checkCancellation()
        return DeliveryOutcome(
          status: Int(answer.status.code), retryAfter: answer.headers.first(name: "retry-after"), now: now)
      }
    } catch {
      if Task.isCancelled || error is CancellationError { throw CancellationError() }
      return .failed(DeliveryFailure(Self.reason(error)))
    }
  }

  private struct TimedOut: Error {}

  /// AsyncHTTPClient's own deadline ends with the head of the answer; the body could trickle for ever.
  private static func within<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await Task.sleep(for: limit)
        throw TimedOut()
      }
      defer { group.cancelAll() }
      guard let value = try await group.next() else { throw CancellationError() }
      return value
    }
  }

  private static func reason(_ error: any Error) -> DeliveryFailure.Reason {
    switch error {
    case is TimedOut: return .timedOut
    case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError: return .tls
    case is HTTPParserError: return .notHTTP
    case is NIOConnectionError, is SocketAddressError, ChannelError.connectTimeout: return .unreachable
    case let error as IOError where [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode):
      return .unreachable
    case let error as HTTPClientError:
      switch error {
      case .deadlineExceeded, .readTimeout, .writeTimeout: return .timedOut
      case .connectTimeout, .getConnectionFromPoolTimeout: return .unreachable
      case .tlsHandshakeTimeout: return .tls
      case .invalidURL, .emptyHost, .emptyScheme: return .invalidURL
      default: return .connectionLost
      }
    default: return .connectionLost
    }
  }
}

extension DeliveryFailure: Error {}

extension TimeAmount {
  fileprivate init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    self = .seconds(min(max(seconds, 0), 86_400)) + .nanoseconds(max(attoseconds, 0) / 1_000_000_000)
  }
}

import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// A way to one endpoint: its host looked up and checked once, and connections to that very address.
///
/// A name that leads elsewhere the next time (DNS rebinding) leads nowhere, because nothing looks it up again: the client
/// connects to the checked address, while TLS and the `Host` header still name the host.
final class DeliverySession: Sendable {
  let url: EndpointURL
  private let client: HTTPClient
  private let deadline: Duration

  /// How much of an answer's body is read, so that the connection can be used again. Nothing of it is kept.
  static let maximumAnswerBytes = 16 << 10

  /// Looks up and checks where deliveries go.
  ///
  /// - Parameters:
  ///   - url: the endpoint's URL.
  ///   - settings: what may be called, and how long it may take.
  ///   - resolver: looks hosts up.
  ///   - turn: which of several addresses to take, counted from 0.
  /// - Throws: ``DeliveryFailure`` as an error.
  init(_ url: EndpointURL, settings: DeliveryConfiguration, resolver: HostResolver, turn: Int) async throws {
    let address = try await Self.address(of: url, settings: settings, resolver: resolver, turn: turn)
    self.url = url
    deadline = settings.deadline
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.timeout.connect = TimeAmount(min(settings.deadline, .seconds(10)))
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.connectionPool.idleTimeout = .seconds(10)
    configuration.decompression = .disabled
    if NetworkAddress(url.host) == nil { configuration.dnsOverride = [url.host: address.text] }
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// The address to call, after all of the host's addresses were found to be allowed.
  static func address(
    of url: EndpointURL, settings: DeliveryConfiguration, resolver: HostResolver, turn: Int
  ) async throws -> NetworkAddress {
    let addresses: [NetworkAddress]
    do {
      addresses = try await Self.within(settings.deadline) { try await resolver.addresses(of: url.host) }
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw DeliveryFailure(.hostUnresolved)
    }
    // One that is refused spoils all: which one is called must not be left to chance.
    guard !addresses.isEmpty, addresses.allSatisfy({ settings.allowed.allows($0, of: url.host) }) else {
      throw DeliveryFailure(.addressRefused)
    }
    return addresses[turn % addresses.count]
  }

  /// Closes the connections.
  func close() async {
    try? await client.shutdown()
  }

  /// Makes one attempt.
  ///
  /// - Parameters:
  ///   - id: the delivery's id, the same in every attempt.
  ///   - body: the body.
  ///   - secrets: what to sign with, the newest first.
  ///   - now: the time.
  /// - Returns: what became of it, after the deadline at the latest.
  /// - Throws: `CancellationError`.
  func send(id: String, body: String, secrets: [EndpointSecret], at now: Date) async throws -> DeliveryOutcome {
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
      return try await Self.within(deadline) { [client, deadline, request] in
        let answer = try await client.execute(request, deadline: .now() + TimeAmount(deadline))
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

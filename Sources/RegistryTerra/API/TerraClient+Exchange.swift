import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension TerraClient {
  /// One request: what to send, and how to name it in errors.
  struct Call {
    var method: HTTPMethod
    var url: String
    /// Method and path without query, for errors.
    var name: String
    var query: [(name: String, value: String)] = []
    /// The query as it is to be sent, without the question mark; nil where ``query`` says it.
    var rawQuery: String?
    var accept = "application/json"
    var contentType: String?
    /// nil sends none; an empty one is sent as such.
    var body: [UInt8]?
  }

  func call(
    _ method: HTTPMethod, _ path: String, query: [(name: String, value: String)] = [], body: JSONValue? = nil
  ) -> Call {
    let base = configuration.apiBaseURL
    let trimmed = base.hasSuffix("/") && !base.hasSuffix("//") ? String(base.dropLast()) : base
    return Call(
      method: method, url: trimmed + path, name: "\(method.rawValue) \(path)", query: query,
      contentType: body.map { _ in "application/json" }, body: body?.bytes)
  }

  /// Sends a request and reads the answer of a success as JSON.
  ///
  /// - Throws: ``TerraAPIError``, or `CancellationError` when the task is cancelled.
  func perform(_ call: Call) async throws -> JSONValue {
    let reply = try await exchange(call)
    if let error = reply.error(endpoint: call.name, secret: configuration.apiKey) { throw error }
    do {
      return try JSONParser.parse(reply.body)
    } catch {
      throw TerraAPIError(
        .unreadableReply, endpoint: call.name, httpStatus: reply.status,
        message: "the answer \(error.problem) (byte \(error.offset))")
    }
  }

  /// Sends a request and reads the whole answer before the deadline.
  ///
  /// AsyncHTTPClient's own deadline ends with the head of the answer; the body could trickle for ever.
  func exchange(_ call: Call) async throws -> TerraReply {
    guard Self.hasHost(call.url) else {
      throw TerraAPIError(
        .invalidRequest, endpoint: call.name, message: "the configured URL must be http://host… or https://host…")
    }
    let end = ContinuousClock.now.advanced(by: configuration.deadline)
    return try await withThrowingTaskGroup(of: TerraReply?.self) { group in
      group.addTask { try await reply(to: call) }
      group.addTask {
        try await Task.sleep(until: end, clock: .continuous)
        return nil
      }
      defer { group.cancelAll() }
      guard let reply = try await group.next() ?? nil else { throw TerraAPIError(.timedOut, endpoint: call.name) }
      return reply
    }
  }

  private static func hasHost(_ url: String) -> Bool {
    let lowered = url.prefix(8).lowercased()
    guard let scheme = ["https://", "http://"].first(where: lowered.hasPrefix) else { return false }
    guard let first = url.dropFirst(scheme.count).first else { return false }
    return !"/?#:@".contains(first)
  }

  private func reply(to call: Call) async throws -> TerraReply {
    do {
      let response = try await httpClient.execute(request(call), deadline: .now() + timeAmount)
      var body: [UInt8] = []
      for try await chunk in response.body {
        guard body.count + chunk.readableBytes <= configuration.maximumReplyBytes else {
          throw TerraAPIError(
            .replyTooLarge, endpoint: call.name, httpStatus: Int(response.status.code),
            message: "the answer is larger than \(configuration.maximumReplyBytes) bytes")
        }
        body += chunk.readableBytesView
      }
      // A cancelled body ends as if it were whole.
      try Task.checkCancellation()
      return TerraReply(status: Int(response.status.code), headers: response.headers, body: body)
    } catch let error as TerraAPIError {
      throw error
    } catch {
      if error is CancellationError || Task.isCancelled { throw CancellationError() }
      throw Self.transportError(error, endpoint: call.name)
    }
  }

  private var timeAmount: TimeAmount {
    let (seconds, attoseconds) = configuration.deadline.components
    return .seconds(min(max(seconds, 0), 86_400)) + .nanoseconds(max(attoseconds, 0) / 1_000_000_000)
  }

  private func request(_ call: Call) -> HTTPClientRequest {
    let query =
      call.rawQuery ?? call.query.map { "\($0.name)=\(QueryCoding.encoded($0.value))" }.joined(separator: "&")
    let mark = call.url.contains("?") ? "&" : "?"
    var request = HTTPClientRequest(url: query.isEmpty ? call.url : call.url + mark + query)
    request.method = call.method
    request.headers = [
      "dev-id": configuration.developerID, "x-api-key": configuration.apiKey, "accept": call.accept,
      "user-agent": "connection-registry",
    ]
    if let contentType = call.contentType { request.headers.add(name: "content-type", value: contentType) }
    if let body = call.body { request.body = .bytes(ByteBuffer(bytes: body)) }
    return request
  }

  private static func transportError(_ error: any Error, endpoint: String) -> TerraAPIError {
    guard let error = error as? HTTPClientError else {
      // What AsyncHTTPClient does not name itself comes from below, while it connects or while bytes are under way.
      return TerraAPIError(isFailureToConnect(error) ? .unreachable : .connectionLost, endpoint: endpoint)
    }
    let code: TerraAPIError.Code =
      switch error {
      case .deadlineExceeded, .readTimeout, .writeTimeout: .timedOut
      case .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout: .unreachable
      case .invalidURL, .emptyHost, .emptyScheme, .missingSocketPath: .invalidRequest
      // These carry the offending names, so they cannot be listed as cases.
      default: unsendable.contains(error.shortDescription) ? .invalidRequest : .connectionLost
      }
    return TerraAPIError(code, endpoint: endpoint, message: error.shortDescription)
  }

  private static let unsendable: Set<String> = [
    HTTPClientError.invalidHeaderFieldNames([]).shortDescription,
    HTTPClientError.invalidHeaderFieldValues([]).shortDescription,
    HTTPClientError.unsupportedScheme("").shortDescription,
  ]

  private static func isFailureToConnect(_ error: any Error) -> Bool {
    switch error {
    case is NIOConnectionError, is SocketAddressError, ChannelError.connectTimeout: true
    case let error as IOError: error.errnoCode == ECONNREFUSED
    default: false
    }
  }
}

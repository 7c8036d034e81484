import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix

extension TerraClient {
  /// One request: what to send, and how to name it in errors.
  struct Call {
    var method: HTTPMethod
    var url: String
    /// Method and path without query, for errors.
    var name: String
    var query: [(name: String, value: String)] = []
    var body: JSONValue?
  }

  func call(
    _ method: HTTPMethod, _ path: String, query: [(name: String, value: String)] = [], body: JSONValue? = nil
  ) -> Call {
    let base = configuration.apiBaseURL
    let trimmed = base.hasSuffix("/") ? String(base.dropLast()) : base
    return Call(
      method: method, url: trimmed + path, name: "\(method.rawValue) \(path)", query: query, body: body)
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

  private func exchange(_ call: Call) async throws -> TerraReply {
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
    let query = call.query.map { "\($0.name)=\(QueryCoding.encoded($0.value))" }.joined(separator: "&")
    var request = HTTPClientRequest(url: query.isEmpty ? call.url : "\(call.url)?\(query)")
    request.method = call.method
    request.headers = [
      "dev-id": configuration.developerID, "x-api-key": configuration.apiKey, "accept": "application/json",
      "user-agent": "connection-registry",
    ]
    if let body = call.body {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body.bytes))
    }
    return request
  }

  private static func transportError(_ error: any Error, endpoint: String) -> TerraAPIError {
    guard let error = error as? HTTPClientError else {
      // What AsyncHTTPClient does not name itself comes from below, while it connects or while bytes are under way.
      return TerraAPIError(error is NIOConnectionError ? .unreachable : .connectionLost, endpoint: endpoint)
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
}

import NIOHTTP1
import RegistryModel

/// A call that one of Terra's own clients made, to be passed on as it is.
public struct TerraForwardedCall: Sendable, Hashable {
  /// The methods that Terra's endpoints of authentication take.
  public enum Method: String, Sendable, Hashable, CaseIterable {
    /// Looks.
    case get = "GET"
    /// Begins something.
    case post = "POST"
    /// Ends a connection.
    case delete = "DELETE"
  }

  /// Where the call goes.
  public enum Target: Sendable, Hashable {
    /// A path below the API's base URL, beginning with a slash.
    case api(String)
    /// The URL that makes widget sessions in the newer generation.
    case widgetSession
  }

  /// The method.
  public var method: Method
  /// Where it goes.
  public var target: Target
  /// The query as it came, without the question mark.
  public var rawQuery: String
  /// The type of the body, as it came.
  public var contentType: String?
  /// What the client takes, as it came.
  public var accept: String?
  /// The body.
  public var body: [UInt8]

  /// Describes a call.
  ///
  /// - Parameters:
  ///   - method: the method.
  ///   - target: where it goes.
  ///   - rawQuery: the query without the question mark, percent-encoded.
  ///   - contentType: the type of the body.
  ///   - accept: what the client takes.
  ///   - body: the body; of a look it is not sent.
  public init(
    method: Method, target: Target, rawQuery: String = "", contentType: String? = nil, accept: String? = nil,
    body: [UInt8] = []
  ) {
    self.method = method
    self.target = target
    self.rawQuery = rawQuery
    self.contentType = contentType
    self.accept = accept
    self.body = body
  }
}

/// Terra's answer to a call that was passed on: its bytes, from which only the API key is struck out.
public struct TerraForwardedReply: Sendable {
  /// The status.
  public let status: Int
  /// The type of the body.
  public let contentType: String?
  /// The header `Retry-After`, as it came.
  public let retryAfter: String?
  /// The body.
  public let body: [UInt8]

  private let reply: TerraReply
  private let endpoint: String
  private let secret: String

  init(_ reply: TerraReply, endpoint: String, secret: String) {
    self.reply = reply
    self.endpoint = endpoint
    self.secret = secret
    status = reply.status
    contentType = reply.headers.first(name: "content-type").map { Self.struck($0, secret) }
    retryAfter = reply.headers.first(name: "retry-after").map { Self.struck($0, secret) }
    body = Self.struck(reply.body, secret: secret)
  }

  private static func struck(_ text: String, _ secret: String) -> String {
    secret.isEmpty ? text : text.replacing(secret, with: "[key]")
  }

  /// The body without the secret, also where it stands percent-encoded or escaped as JSON.
  private static func struck(_ body: [UInt8], secret: String) -> [UInt8] {
    guard !secret.isEmpty else { return body }
    let escaped = JSONValue.string(secret).bytes.dropFirst().dropLast()
    var body = body
    for form in [Array(secret.utf8), Array(escaped), Array(QueryCoding.encoded(secret).utf8)]
    where body.contains(form) {
      body = body.replacing(form, with: Array("[key]".utf8))
    }
    return body
  }

  /// The error that the answer is, as the client's own calls would throw it; nil for a success.
  public var error: TerraAPIError? { reply.error(endpoint: endpoint, secret: secret) }

  /// The answer of authenticateUser.
  ///
  /// - Throws: ``TerraAPIError``, also where a success cannot be read.
  public func authentication() throws -> TerraAuthentication { try TerraAuthentication(reader()) }

  /// The answer of one of the endpoints that make widget sessions.
  ///
  /// - Throws: ``TerraAPIError``, also where a success cannot be read.
  public func widgetSession() throws -> TerraWidgetSession { try TerraWidgetSession(reader()) }

  /// The answer of generateAuthToken.
  ///
  /// - Throws: ``TerraAPIError``, also where a success cannot be read.
  public func authToken() throws -> TerraAuthToken { try TerraAuthToken(reader()) }

  /// The answer of userInfo about one connection.
  ///
  /// - Parameter userID: the connection that was asked for.
  /// - Returns: what Terra knows of it.
  /// - Throws: ``TerraAPIError``, also where a success is about others.
  public func userInfo(userID: String) throws -> TerraUserInfo { try TerraUserInfo(reader(), userID: userID) }

  /// The users of a listing, or of a part of it.
  ///
  /// - Throws: ``TerraAPIError``, also where a success cannot be read as a whole.
  public func users() throws -> [TerraUser] { try reader().subscriptionPage(asked: nil).users }

  private func reader() throws -> AnswerReader {
    if let error { throw error }
    do {
      return AnswerReader(try JSONParser.parse(reply.body), endpoint: endpoint)
    } catch {
      throw TerraAPIError(
        .unreadableReply, endpoint: endpoint, httpStatus: status,
        message: "the answer \(error.problem) (byte \(error.offset))")
    }
  }
}

extension TerraClient {
  /// Passes a call on, once, with this client's credentials.
  ///
  /// - Parameter forwarded: the call; the caller answers for its target.
  /// - Returns: Terra's answer, whatever its status.
  /// - Throws: ``TerraAPIError`` where there is no whole answer (`unreachable`, `timedOut`, `connectionLost`,
  ///   `replyTooLarge`, `invalidRequest`) and for a redirect, which is not followed; or `CancellationError`.
  public func forward(_ forwarded: TerraForwardedCall) async throws -> TerraForwardedReply {
    let method = HTTPMethod(rawValue: forwarded.method.rawValue)
    var call =
      switch forwarded.target {
      case .api(let path): self.call(method, path)
      case .widgetSession: Call(method: method, url: configuration.widgetSessionURL, name: "POST widget session")
      }
    call.rawQuery = forwarded.rawQuery
    if let accept = forwarded.accept { call.accept = accept }
    if method == .POST {
      call.contentType = forwarded.contentType
      call.body = forwarded.body
    }
    let reply = try await exchange(call)
    if (300..<400).contains(reply.status) {
      throw TerraAPIError(.redirected, endpoint: call.name, httpStatus: reply.status)
    }
    return TerraForwardedReply(reply, endpoint: call.name, secret: configuration.apiKey)
  }
}

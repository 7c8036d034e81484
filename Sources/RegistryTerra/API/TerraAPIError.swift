/// Why a call to Terra's API gave no usable answer.
///
/// `description` holds the endpoint, the status and the kind of failure, and nothing secret or personal;
/// `String(reflecting:)` adds Terra's own message, from which the API key is struck out.
public struct TerraAPIError: Error, Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
  /// What kind of failure it is.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    private enum Kind: String {
      case badRequest, unauthorized, forbidden, notFound, gone, rateLimited, serverError, refused, redirected
      case unreadableReply, replyTooLarge, unreachable, connectionLost, timedOut, invalidRequest
    }
    private let kind: Kind

    /// Terra does not accept the request (400, 422).
    public static let badRequest = Code(kind: .badRequest)
    /// The credentials are missing or belong to another environment (401).
    public static let unauthorized = Code(kind: .unauthorized)
    /// The credentials do not allow this (403).
    public static let forbidden = Code(kind: .forbidden)
    /// Terra says that it does not know what was asked for (404, in one of Terra's own error formats).
    public static let notFound = Code(kind: .notFound)
    /// The endpoint is closed for this account (410): the newer widget endpoint must be set.
    public static let gone = Code(kind: .gone)
    /// Too many requests (429): see ``TerraAPIError/retryAfter``.
    public static let rateLimited = Code(kind: .rateLimited)
    /// Terra failed (5xx).
    public static let serverError = Code(kind: .serverError)
    /// Any other status that is no success, and a success whose body says `"status": "error"`.
    public static let refused = Code(kind: .refused)
    /// Terra answered with a redirect, which is not followed: it would carry the credentials elsewhere.
    public static let redirected = Code(kind: .redirected)
    /// The answer is not what this endpoint answers; it proves nothing.
    public static let unreadableReply = Code(kind: .unreadableReply)
    /// The answer is larger than the configuration allows.
    public static let replyTooLarge = Code(kind: .replyTooLarge)
    /// No connection could be made; the request was not sent.
    public static let unreachable = Code(kind: .unreachable)
    /// The connection broke; the request may have been carried out.
    public static let connectionLost = Code(kind: .connectionLost)
    /// The deadline passed; the request may have been carried out.
    public static let timedOut = Code(kind: .timedOut)
    /// The configured URL or credentials cannot be put into a request; nothing was sent.
    public static let invalidRequest = Code(kind: .invalidRequest)

    /// The name of the code, short and bounded, fit for a metric.
    public var description: String { kind.rawValue }
  }

  /// What kind of failure it is.
  public let code: Code
  /// The endpoint, as method and path without query: `POST /auth/authenticateUser`.
  public let endpoint: String
  /// The status of Terra's answer; nil when there was none.
  public let httpStatus: Int?
  /// How long Terra asks to wait before the next try.
  public let retryAfter: Duration?
  /// What is wrong, in Terra's words or ours, at most 300 characters. It may repeat what was sent.
  public let message: String?
  /// Whether the answer was a page of HTML, as a proxy writes it.
  public let isHTML: Bool

  init(
    _ code: Code, endpoint: String, httpStatus: Int? = nil, retryAfter: Duration? = nil, message: String? = nil,
    isHTML: Bool = false
  ) {
    self.isHTML = isHTML
    self.code = code
    self.endpoint = endpoint
    self.httpStatus = httpStatus
    self.retryAfter = retryAfter
    self.message = message
  }

  /// Whether the same request may succeed later.
  public var isRetryable: Bool {
    [.rateLimited, .serverError, .unreachable, .connectionLost, .timedOut].contains(code)
  }

  /// Whether the request is known never to have reached Terra.
  public var isProvenUnsent: Bool {
    code == .unreachable || code == .invalidRequest
  }

  /// Whether Terra refuses new connections because the environment holds as many as it may (50 outside production).
  /// No code is documented for it, so its words are looked for.
  public var isUserLimit: Bool {
    guard [.badRequest, .forbidden, .rateLimited, .refused].contains(code), let words = message?.lowercased()
    else { return false }
    return ["user limit", "users limit", "limit of users", "user quota", "device limit"].contains(where: words.contains)
  }

  /// Endpoint, status and kind of failure: nothing secret or personal.
  public var description: String {
    let status = httpStatus.map { " with status \($0)" } ?? ""
    return "Terra's \(endpoint) failed\(status): \(code)"
  }

  /// The description with Terra's own message, which may repeat what was sent; the API key is struck out.
  public var debugDescription: String {
    message.map { "\(description): \($0)" } ?? description
  }
}

extension TerraAPIError.Code {
  /// Lets a code stand as a pattern: `catch TerraAPIError.Code.notFound`.
  public static func ~= (code: TerraAPIError.Code, error: any Error) -> Bool {
    (error as? TerraAPIError)?.code == code
  }
}

import NIOHTTP1

/// One answer of Terra's API, whole.
struct TerraReply {
  let status: Int
  let headers: HTTPHeaders
  let body: [UInt8]

  /// The error that the answer is; nil when it is a success.
  ///
  /// - Parameters:
  ///   - endpoint: method and path of the request.
  ///   - secret: the API key, struck out wherever Terra repeats it.
  /// - Returns: the error, or nil.
  func error(endpoint: String, secret: String) -> TerraAPIError? {
    let document = try? JSONParser.parse(body)
    let saysError = document?["status"]?.text == "error"
    if (200..<300).contains(status), !saysError { return nil }
    return TerraAPIError(
      code(document), endpoint: endpoint, httpStatus: status, retryAfter: retryAfter,
      message: message(document)?.replacing(secret, with: "[key]"),
      isHTML: (headers.first(name: "content-type") ?? "").lowercased().hasPrefix("text/html"))
  }

  private func code(_ document: JSONValue?) -> TerraAPIError.Code {
    switch status {
    case 300..<400: return .redirected
    case 400, 422: return .badRequest
    case 401: return .unauthorized
    case 403: return .forbidden
    // A 404 from a proxy or a mistyped base URL says nothing about a connection; one in Terra's own format does.
    case 404: return Self.isTerraError(document) ? .notFound : .unreadableReply
    case 410: return .gone
    case 429: return .rateLimited
    case 500...: return .serverError
    default: return .refused
    }
  }

  /// Both generations: `{"status": "error", "message"}`, and RFC 9457 with `title`.
  private static func isTerraError(_ document: JSONValue?) -> Bool {
    document?["status"]?.text == "error" || document?["message"]?.text != nil || document?["title"]?.text != nil
  }

  private func message(_ document: JSONValue?) -> String? {
    let texts = ["message", "title", "detail"].compactMap { document?[$0]?.text }
    if !texts.isEmpty { return String(texts.joined(separator: ": ").prefix(300)) }
    guard !body.isEmpty else { return nil }
    let type = headers.first(name: "content-type") ?? "unknown type"
    return "the answer has \(body.count) bytes of \(type.prefix(60)) and no message"
  }

  /// `Retry-After`, in seconds or as a date, which is taken from the answer's own `Date`.
  private var retryAfter: Duration? {
    guard let value = headers.first(name: "retry-after") else { return nil }
    if let seconds = DecimalDigits.value(of: HeaderText.trimmed(value[...])) { return .seconds(min(seconds, 604_800)) }
    guard let until = HTTPDate.seconds(of: value), let now = headers.first(name: "date").flatMap(HTTPDate.seconds(of:))
    else { return nil }
    return .seconds(min(max(until - now, 0), 604_800))
  }
}

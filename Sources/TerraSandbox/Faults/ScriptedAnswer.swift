/// An answer that the sandbox gives to the next call of its API instead of its own, to try what a client makes of it.
public struct ScriptedAnswer: Sendable, Hashable, Codable {
  /// The status.
  public var status: Int
  /// The type of the body.
  public var contentType: String
  /// Further headers.
  public var headers: [String: String]
  /// The body.
  public var body: String
  /// How long the answer is held back, in seconds.
  public var delaySeconds: Double

  /// Describes an answer.
  ///
  /// - Parameters:
  ///   - status: the status.
  ///   - contentType: the type of the body.
  ///   - headers: further headers.
  ///   - body: the body.
  ///   - delaySeconds: how long the answer is held back.
  public init(
    status: Int, contentType: String = "application/json", headers: [String: String] = [:], body: String = "",
    delaySeconds: Double = 0
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = body
    self.delaySeconds = delaySeconds
  }

  enum CodingKeys: String, CodingKey {
    case status, headers, body
    case contentType = "content_type"
    case delaySeconds = "delay_seconds"
  }

  /// Reads an answer; only `status` is required.
  ///
  /// - Parameter decoder: the source.
  /// - Throws: `DecodingError` when the status is missing or a value has another type.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      status: try values.decode(Int.self, forKey: .status),
      contentType: try values.decodeIfPresent(String.self, forKey: .contentType) ?? "application/json",
      headers: try values.decodeIfPresent([String: String].self, forKey: .headers) ?? [:],
      body: try values.decodeIfPresent(String.self, forKey: .body) ?? "",
      delaySeconds: try values.decodeIfPresent(Double.self, forKey: .delaySeconds) ?? 0)
  }
}

public import AsyncHTTPClient

/// A client of Terra's API, for both of its generations.
///
/// Every call is bounded in time and in size, follows no redirect, and is not tried again: that is the caller's
/// decision (``TerraAPIError/isRetryable``, ``TerraAPIError/isProvenUnsent``).
public struct TerraClient: Sendable {
  /// Where Terra is, and as whom to call it.
  public struct Configuration: Sendable {
    /// The base of the API's paths: `https://access.tryterra.co/api/v2`, or `https://api.tryterra.co/v2` for the older
    /// generation.
    public var apiBaseURL: String
    /// The whole URL that makes widget sessions; its spelling differs between Terra's documents. The older generation
    /// has it at `…/v2/auth/generateWidgetSession`.
    public var widgetSessionURL: String
    /// The id of the environment (`dev-id`).
    public var developerID: String
    /// The API key (`x-api-key`).
    public var apiKey: String
    /// How long a call may take, from its start to the last byte of the answer.
    public var deadline: Duration
    /// The largest answer that is read, in bytes.
    public var maximumReplyBytes: Int

    /// The largest answer that is read where nothing else is said, in bytes: 64 MiB.
    public static let defaultMaximumReplyBytes = 64 << 20

    /// - Parameters:
    ///   - developerID: the id of the environment (`dev-id`).
    ///   - apiKey: the API key (`x-api-key`).
    ///   - apiBaseURL: the base of the API's paths.
    ///   - widgetSessionURL: the whole URL that makes widget sessions.
    ///   - deadline: how long a call may take, from its start to the last byte of the answer.
    ///   - maximumReplyBytes: the largest answer that is read, in bytes; a whole listing may come in one.
    public init(
      developerID: String, apiKey: String, apiBaseURL: String = "https://access.tryterra.co/api/v2",
      widgetSessionURL: String = "https://access.tryterra.co/api/widget/session", deadline: Duration = .seconds(10),
      maximumReplyBytes: Int = Self.defaultMaximumReplyBytes
    ) {
      self.developerID = developerID
      self.apiKey = apiKey
      self.apiBaseURL = apiBaseURL
      self.widgetSessionURL = widgetSessionURL
      self.deadline = deadline
      self.maximumReplyBytes = maximumReplyBytes
    }
  }

  /// Where Terra is, and as whom to call it.
  public let configuration: Configuration
  let httpClient: HTTPClient

  /// The client that is used where none is given: it lives as long as the process, on the shared event loops, and
  /// follows no redirects, which `HTTPClient.shared` would do with the API key in hand.
  /// A connection that cannot be made fails at once: it is for the caller to try again.
  public static let defaultHTTPClient: HTTPClient = {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  /// - Parameters:
  ///   - configuration: where Terra is, and as whom to call it.
  ///   - httpClient: the client that carries the requests; it must not follow redirects.
  public init(configuration: Configuration, httpClient: HTTPClient = TerraClient.defaultHTTPClient) {
    self.configuration = configuration
    self.httpClient = httpClient
  }

  /// The same client with another deadline for each call.
  ///
  /// - Parameter deadline: how long a call may take, from its start to the last byte of the answer.
  /// - Returns: a client that shares this one's connections.
  public func with(deadline: Duration) -> TerraClient {
    var configuration = configuration
    configuration.deadline = deadline
    return TerraClient(configuration: configuration, httpClient: httpClient)
  }
}

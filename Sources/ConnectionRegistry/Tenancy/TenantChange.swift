/// What is to be changed about a tenant; what is nil stays as it is.
public struct TenantChange: Sendable, Hashable {
  /// All URLs to which a browser may return.
  public var returnURLs: [String]?
  /// Where Terra's REST API stands, with its version.
  public var terraBaseURL: String?
  /// Where widget sessions are made, as a full URL.
  public var terraWidgetURL: String?
  /// How long a missing event or callback is waited for.
  public var grace: Duration?
  /// How long a session lives.
  public var sessionExpiry: Duration?
  /// How old a signed event may be before it is quarantined.
  public var horizon: Duration?
  /// How long deliveries may all be rejected before that is a finding.
  public var signatureFailingAfter: Duration?
  /// Whether the registry only records and reports.
  public var shadow: Bool?
  /// Whether the browser that comes back from Terra must be the one that began.
  public var bindsBrowser: Bool?

  /// A change of nothing.
  public init() {}
}

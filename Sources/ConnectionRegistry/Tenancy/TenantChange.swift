/// What is to be changed about a tenant; what is nil stays as it is.
public struct TenantChange: Sendable, Hashable {
  /// The dev-id at Terra; with another usually goes another API key
  /// (``Tenants/rotateSecrets(_:signingSecret:terraAPIKey:overlap:)``).
  public var devID: String?
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
  /// How often the schedule asks for Terra's listing; zero is never.
  public var providerEvery: Duration?
  /// How far the schedule's runs may go.
  public var repair: RepairMode?
  /// How the database is reached in which Terra keeps its table `terra_users`, which the schedule is to copy from then on.
  public var terraUsers: TerraUsersSource?

  /// A change of nothing.
  public init() {}
}

/// From where the schedule copies Terra's table `terra_users`.
public enum TerraUsersSource: Sendable, Hashable {
  /// A libpq URL or keyword list; it is stored sealed and never shown. `options=-csearch_path=terra` names the schema where it
  /// is not the login's own.
  case database(String)
  /// From nowhere: what was stored of it counts no more.
  case nowhere
}

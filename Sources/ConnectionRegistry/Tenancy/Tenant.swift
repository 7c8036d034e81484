public import Foundation

/// One environment of one team at Terra: one dev-id, one API key, one or more signing secrets.
public struct Tenant: Sendable, Hashable, Codable {
  /// The tenant's name in routes and commands.
  public var slug: String
  /// `production`, `staging` or `testing`; http URLs on localhost are allowed only outside production.
  public var environment: String
  /// Since when the tenant is disabled, nil while it works.
  public var disabledAt: Date?
  /// Whether the registry only records and reports, beside a live system.
  public var shadow: Bool
  /// The `dev-id` at Terra.
  public var devID: String
  /// Where Terra's REST API stands, with its version.
  public var terraBaseURL: String
  /// Where widget sessions are made, as a full URL.
  public var terraWidgetURL: String
  /// The URLs to which a browser may return.
  public var returnURLs: [String]
  /// How long a missing event or callback is waited for, in seconds; nil is the deployment's default.
  public var graceSeconds: Double?
  /// How long a session lives, in seconds; nil is what Terra says.
  public var sessionExpirySeconds: Double?
  /// How old a signed event may be before it is quarantined, in seconds; nil is the deployment's default.
  public var horizonSeconds: Double?
  /// How long deliveries may all be rejected before that is a finding, in seconds; nil is the deployment's default.
  public var signatureFailingSeconds: Double?
  /// Whether the browser that comes back from Terra must be the one that began (`/connect/…`).
  public var bindsBrowser: Bool
  /// How often the schedule asks for Terra's listing, in seconds; 0 is never, nil is the deployment's default.
  public var providerEverySeconds: Double?
  /// How far the schedule's runs may go.
  public var repair = RepairMode.none
  /// Whether the schedule copies Terra's table `terra_users`: how it is reached is stored sealed and never shown.
  public var copiesTerraUsers = false
  /// When the tenant was made.
  public var createdAt: Date

  /// The id inside the database, derived from the slug.
  var id: UUID { TenantID.of(slug: slug) }
}

/// What a new tenant is made of.
public struct NewTenant: Sendable {
  /// The tenant's name in routes: lower-case letters, digits and hyphens, at most 63.
  public var slug: String
  /// `production`, `staging` or `testing`.
  public var environment: String
  /// The `dev-id` at Terra.
  public var devID: String
  /// Terra's API key; it is stored sealed and never shown.
  public var terraAPIKey: String
  /// The signing secret of the webhook destination at Terra; stored sealed and never shown.
  public var signingSecret: String
  /// Where Terra's REST API stands, with its version, such as `https://api.tryterra.co/v2`.
  public var terraBaseURL: String
  /// Where widget sessions are made, as a full URL.
  public var terraWidgetURL: String
  /// The URLs to which a browser may return: scheme, host and port exactly, the path up to a segment.
  public var returnURLs: [String]
  /// How long a missing event or callback is waited for.
  public var grace: Duration?
  /// How long a session lives; nil is what Terra says.
  public var sessionExpiry: Duration?
  /// How old a signed event may be before it is quarantined.
  public var horizon: Duration?
  /// How long deliveries may all be rejected before that is a finding.
  public var signatureFailingAfter: Duration?
  /// Whether the registry only records and reports, beside a live system.
  public var shadow: Bool
  /// Whether the browser that comes back from Terra must be the one that began.
  public var bindsBrowser: Bool
  /// How often the schedule asks for Terra's listing; zero is never, nil the deployment's default.
  public var providerEvery: Duration?
  /// How far the schedule's runs may go.
  public var repair: RepairMode

  /// Where Terra's REST API stands unless another is named (legacy generation).
  public static let defaultTerraBaseURL = "https://api.tryterra.co/v2"
  /// Where widget sessions are made unless another URL is named.
  public static let defaultTerraWidgetURL = "https://access.tryterra.co/api/widget/session"

  /// Describes a new tenant.
  ///
  /// - Parameters:
  ///   - slug: the name in routes.
  ///   - environment: `production`, `staging` or `testing`.
  ///   - devID: the `dev-id` at Terra.
  ///   - terraAPIKey: Terra's API key.
  ///   - signingSecret: the signing secret of the webhook destination.
  ///   - terraBaseURL: Terra's REST API with its version.
  ///   - terraWidgetURL: the full URL of the widget endpoint.
  ///   - returnURLs: the URLs to which a browser may return.
  ///   - grace: how long a missing event or callback is waited for; nil is the deployment's default.
  ///   - sessionExpiry: how long a session lives; nil is what Terra says.
  ///   - horizon: how old a signed event may be; nil is the deployment's default.
  ///   - signatureFailingAfter: how long all deliveries may be rejected; nil is the deployment's default.
  ///   - shadow: whether to record and report only.
  ///   - bindsBrowser: whether the browser that comes back must be the one that began; not where a customer's own
  ///     server stands before the callbacks.
  ///   - providerEvery: how often the schedule asks for Terra's listing: zero is never, else a minute at least; nil is
  ///     the deployment's default.
  ///   - repair: how far the schedule's runs may go.
  public init(
    slug: String, environment: String = "production", devID: String, terraAPIKey: String, signingSecret: String,
    terraBaseURL: String = NewTenant.defaultTerraBaseURL, terraWidgetURL: String = NewTenant.defaultTerraWidgetURL,
    returnURLs: [String], grace: Duration? = nil, sessionExpiry: Duration? = nil, horizon: Duration? = nil,
    signatureFailingAfter: Duration? = nil, shadow: Bool = false, bindsBrowser: Bool = false,
    providerEvery: Duration? = nil, repair: RepairMode = .none
  ) {
    self.slug = slug
    self.environment = environment
    self.devID = devID
    self.terraAPIKey = terraAPIKey
    self.signingSecret = signingSecret
    self.terraBaseURL = terraBaseURL
    self.terraWidgetURL = terraWidgetURL
    self.returnURLs = returnURLs
    self.grace = grace
    self.sessionExpiry = sessionExpiry
    self.horizon = horizon
    self.signatureFailingAfter = signatureFailingAfter
    self.shadow = shadow
    self.bindsBrowser = bindsBrowser
    self.providerEvery = providerEvery
    self.repair = repair
  }
}

/// What to ask of the widget endpoint; what is nil or empty is left out of the request.
public struct TerraWidgetSessionRequest: Sendable, Hashable {
  /// The team's id of the app user.
  public var referenceID: String?
  /// The providers to offer; all that are enabled, when empty.
  public var providers: [String] = []
  /// Where Terra sends the browser after a success. The literal `multi-auth` is a mode of the older generation.
  public var successRedirectURL: String?
  /// Where Terra sends the browser after a failure.
  public var failureRedirectURL: String?
  /// The language of the widget: `en`, `fr`, `zh_cn` …
  public var language: String?
  /// Whether the widget offers to disconnect providers.
  public var showsDisconnect: Bool?
  /// Whether Apple Health goes through Terra's own mobile app.
  public var usesTerraAvengersApp: Bool?
  /// The connections that the widget shows as connected; nil leaves it to Terra.
  public var connectedUserIDs: [String]?
  /// Whether the app user may connect several providers in one session.
  public var allowsMultipleConnections: Bool?
  /// Whether the browser is redirected at once, without the widget's result page.
  public var bypassesFeedback: Bool?
  /// The team's own app for Apple Health.
  public var appleAppURL: String?
  /// The team's own app for Samsung Health.
  public var samsungAppURL: String?

  /// A request that asks for nothing in particular.
  public init() {}

  /// - Parameters:
  ///   - referenceID: the team's id of the app user.
  ///   - providers: the providers to offer; all that are enabled, when empty.
  ///   - successRedirectURL: where Terra sends the browser after a success.
  ///   - failureRedirectURL: where Terra sends the browser after a failure.
  ///   - language: the language of the widget.
  public init(
    referenceID: String?, providers: [String] = [], successRedirectURL: String? = nil,
    failureRedirectURL: String? = nil, language: String? = nil
  ) {
    self.referenceID = referenceID
    self.providers = providers
    self.successRedirectURL = successRedirectURL
    self.failureRedirectURL = failureRedirectURL
    self.language = language
  }

  var body: JSONValue {
    var members: [String: JSONValue] = [:]
    members["reference_id"] = referenceID.map(JSONValue.string)
    if !providers.isEmpty { members["providers"] = .string(providers.joined(separator: ",")) }
    members["auth_success_redirect_url"] = successRedirectURL.map(JSONValue.string)
    members["auth_failure_redirect_url"] = failureRedirectURL.map(JSONValue.string)
    members["language"] = language.map(JSONValue.string)
    members["show_disconnect"] = showsDisconnect.map(JSONValue.bool)
    members["use_terra_avengers_app"] = usesTerraAvengersApp.map(JSONValue.bool)
    members["connected_uids"] = connectedUserIDs.map { .array($0.map(JSONValue.string)) }
    members["multi_auth"] = allowsMultipleConnections.map(JSONValue.bool)
    members["bypass_feedback"] = bypassesFeedback.map(JSONValue.bool)
    members["apple_app_url"] = appleAppURL.map(JSONValue.string)
    members["samsung_app_url"] = samsungAppURL.map(JSONValue.string)
    return .object(members)
  }
}

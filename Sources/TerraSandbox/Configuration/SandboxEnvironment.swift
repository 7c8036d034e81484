/// Which of Terra's two live generations an environment speaks.
///
/// Both generations of the endpoints are always served; the generation decides the shape of the webhooks and
/// what happens when one provider account is connected under a second `reference_id`.
public enum SandboxGeneration: String, Sendable, Hashable, CaseIterable, Codable {
  /// `api.tryterra.co/v2`: an account connected again replaces the old record, whoever connects it.
  case legacy
  /// `access.tryterra.co/api/v2`: an account under another `reference_id` is a connection of its own.
  case access
}

/// The three shapes in which `/userInfo?reference_id=` is seen in the wild.
public enum UserListShape: String, Sendable, Hashable, CaseIterable, Codable {
  /// A bare array of connections.
  case array
  /// `{"status":"success","users":[…]}`.
  case users
  /// `{"status":"success","user":{…}}` with the newest one; 404 where there is none.
  case user
}

/// One environment at Terra: what the registry calls a tenant.
public struct SandboxEnvironment: Sendable, Hashable, Codable {
  /// The tenant's slug; names the environment in the ledger.
  public var slug: String
  /// The value of the `dev-id` header.
  public var devID: String
  /// The value of the `x-api-key` header.
  public var apiKey: String
  /// Where webhooks go. Nil sends none; the ledger then says `dropped`.
  public var webhookURL: String?
  /// The secret that signs the webhooks.
  public var signingSecret: String
  /// Payload shapes and the rule of re-authentication.
  public var generation: SandboxGeneration
  /// How many authenticated connections the environment holds before new ones are refused. Nil means no limit.
  public var userCap: Int?
  /// The shape of `/userInfo?reference_id=`.
  public var userListShape: UserListShape
  /// Answers `POST /v2/auth/generateWidgetSession` with 410, as Terra does for new accounts.
  public var retiresLegacyWidget: Bool
  /// Answers the session endpoints with 500 and an HTML body, as Terra does where no source is enabled.
  public var answersServerError: Bool
  /// Signs with another secret than `signingSecret` from now on: a secret that was rotated at Terra only.
  public var signsWithWrongSecret: Bool
  /// What is wrong with the listing of connections; nil for nothing.
  public var listingFault: ListingFault?
  /// What is wrong with the answers about single connections; nil for nothing.
  public var userInfoFault: UserInfoFault?
  /// The slug of the environment whose connections the API shows instead of this one's own, as it does where a tenant
  /// was given another environment's key; nil for this one.
  public var answersAs: String?
  /// The same for questions about single connections only, as where the key is changed behind the listing.
  public var answersSinglyAs: String?
  /// The greatest number of connections on a page of the listing, whatever is asked for; nil for what is asked for.
  public var listingPageSize: Int?

  /// Creates an environment.
  ///
  /// - Parameters:
  ///   - slug: the tenant's slug.
  ///   - devID: the value of the `dev-id` header; `<slug>-dev-id` when nil.
  ///   - apiKey: the value of the `x-api-key` header; `<slug>-api-key` when nil.
  ///   - webhookURL: where webhooks go; nil sends none.
  ///   - signingSecret: the secret of the webhooks; `<slug>-signing-secret` when nil.
  ///   - generation: payload shapes and rule of re-authentication.
  ///   - userCap: the greatest number of connections; nil for no limit.
  ///   - userListShape: the shape of `/userInfo?reference_id=`.
  public init(
    slug: String, devID: String? = nil, apiKey: String? = nil, webhookURL: String? = nil,
    signingSecret: String? = nil, generation: SandboxGeneration = .access, userCap: Int? = nil,
    userListShape: UserListShape = .users
  ) {
    self.slug = slug
    self.devID = devID ?? "\(slug)-dev-id"
    self.apiKey = apiKey ?? "\(slug)-api-key"
    self.webhookURL = webhookURL
    self.signingSecret = signingSecret ?? "\(slug)-signing-secret"
    self.generation = generation
    self.userCap = userCap
    self.userListShape = userListShape
    self.retiresLegacyWidget = false
    self.answersServerError = false
    self.signsWithWrongSecret = false
  }

  enum CodingKeys: String, CodingKey {
    case slug, generation
    case devID = "dev_id"
    case apiKey = "api_key"
    case webhookURL = "webhook_url"
    case signingSecret = "signing_secret"
    case userCap = "user_cap"
    case userListShape = "user_list_shape"
    case retiresLegacyWidget = "retires_legacy_widget"
    case answersServerError = "answers_server_error"
    case signsWithWrongSecret = "signs_with_wrong_secret"
    case listingFault = "listing_fault"
    case userInfoFault = "user_info_fault"
    case listingPageSize = "listing_page_size"
    case answersAs = "answers_as"
    case answersSinglyAs = "answers_singly_as"
  }

  /// Reads an environment; only `slug` is required, everything else has the defaults of the initialiser.
  ///
  /// - Parameter decoder: the source.
  /// - Throws: `DecodingError` when the slug is missing or a value has another type.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      slug: try values.decode(String.self, forKey: .slug),
      devID: try values.decodeIfPresent(String.self, forKey: .devID),
      apiKey: try values.decodeIfPresent(String.self, forKey: .apiKey),
      webhookURL: try values.decodeIfPresent(String.self, forKey: .webhookURL),
      signingSecret: try values.decodeIfPresent(String.self, forKey: .signingSecret),
      generation: try values.decodeIfPresent(SandboxGeneration.self, forKey: .generation) ?? .access,
      userCap: try values.decodeIfPresent(Int.self, forKey: .userCap),
      userListShape: try values.decodeIfPresent(UserListShape.self, forKey: .userListShape) ?? .users)
    self.retiresLegacyWidget = try values.decodeIfPresent(Bool.self, forKey: .retiresLegacyWidget) ?? false
    self.answersServerError = try values.decodeIfPresent(Bool.self, forKey: .answersServerError) ?? false
    self.signsWithWrongSecret = try values.decodeIfPresent(Bool.self, forKey: .signsWithWrongSecret) ?? false
    self.listingFault = try values.decodeIfPresent(ListingFault.self, forKey: .listingFault)
    self.userInfoFault = try values.decodeIfPresent(UserInfoFault.self, forKey: .userInfoFault)
    self.answersAs = try values.decodeIfPresent(String.self, forKey: .answersAs)
    self.answersSinglyAs = try values.decodeIfPresent(String.self, forKey: .answersSinglyAs)
    self.listingPageSize = try values.decodeIfPresent(Int.self, forKey: .listingPageSize).map { max(1, $0) }
  }

  /// The secret that signs at this moment.
  var effectiveSecret: String { self.signsWithWrongSecret ? self.wrongSecret : self.signingSecret }

  /// A secret that the tenant does not know.
  var wrongSecret: String { "\(self.signingSecret)-rotated-elsewhere" }
}

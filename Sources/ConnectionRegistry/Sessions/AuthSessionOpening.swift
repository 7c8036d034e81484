import Foundation
import RegistryModel
import RegistryTerra

/// A request for a session after every field was checked.
struct AuthSessionOpening: Sendable {
  let draft: AuthSessionRecords.Draft
  let language: String?
  let providers: [String]

  /// - Parameters:
  ///   - new: the request.
  ///   - idempotencyKey: the key that came with it.
  ///   - replaced: the connection that it is to replace, where it names one.
  ///   - tenant: whose it is.
  /// - Throws: `invalid_request`, `return_url_not_allowed`.
  init(_ new: NewAuthSession, idempotencyKey: String?, replaced: Connection?, tenant: Tenant) throws {
    if let person = new.referenceID {
      do { _ = try ReferenceID(person) } catch { throw RegistryError.invalid("reference_id", "\(error)") }
    }
    var resource: Resource?
    if let name = new.resource {
      do { resource = try Resource(name) } catch { throw RegistryError.invalid("resource", "\(error)") }
    }
    let referenceID = try Self.person(new.referenceID, replacing: replaced)
    resource = try Self.resource(resource, replacing: replaced)
    let kind = try Self.kind(of: new, resource, replacing: replaced)
    try Self.check(new, kind: kind, idempotencyKey: idempotencyKey)
    language = new.language
    providers = (new.providers ?? []).map { $0.uppercased() }
    var success: String?
    var failure: String?
    if kind != .mobile {
      success = try ReturnURL(try Self.given(new.success, "success"), field: "success", of: tenant).text
      failure = try ReturnURL(try Self.given(new.failure, "failure"), field: "failure", of: tenant).text
    }
    draft = AuthSessionRecords.Draft(
      kind: kind, referenceID: referenceID, resource: kind == .direct ? resource : nil, multiAuth: new.multiAuth,
      success: success, failure: failure, replaces: replaced?.userID, isBound: tenant.bindsBrowser && kind != .mobile,
      idempotencyKey: idempotencyKey,
      requestSHA256: Fingerprint.sha256(of: [
        kind.rawValue, referenceID.map { "r" + $0 } ?? "", resource?.rawValue ?? "", success ?? "", failure ?? "",
        new.language ?? "", providers.joined(separator: ","), new.multiAuth ? "multi" : "", replaced?.userID ?? "",
      ]))
  }

  private static func person(_ named: String?, replacing replaced: Connection?) throws -> String? {
    guard let replaced else { return named }
    guard let own = replaced.referenceID else { return named }
    guard named == nil || named.map({ $0.utf8.elementsEqual(own.utf8) }) == true else {
      throw Self.conflict(
        "reference_id", "the connection to replace belongs to another app user: leave reference_id out")
    }
    return own
  }

  private static func resource(_ named: Resource?, replacing replaced: Connection?) throws -> Resource? {
    guard let replaced, let own = replaced.resource else { return named }
    guard named == nil || named?.rawValue == own else {
      throw Self.conflict("resource", "the connection to replace is of another resource: leave resource out")
    }
    return try? Resource(own)
  }

  private static func kind(
    of new: NewAuthSession, _ resource: Resource?, replacing replaced: Connection?
  ) throws -> AuthSession.Kind {
    let usual: AuthSession.Kind =
      replaced != nil && resource?.isMobileOnly == true ? .mobile : resource == nil ? .widget : .direct
    let kind = new.kind ?? usual
    if kind == .direct, resource == nil {
      guard replaced == nil else {
        throw Self.conflict("resource", "the resource of the connection to replace is not known: name it")
      }
      throw RegistryError.invalid("resource", "a direct session is for one resource: name it")
    }
    if replaced != nil, new.kind == nil, (kind == .mobile) != (new.success == nil) {
      throw Self.conflict(
        "success",
        kind == .mobile
          ? "the connection to replace is made on a phone, without a browser: leave success and failure out"
          : "the connection to replace is made in a browser: name success and failure")
    }
    if kind == .widget, new.resource != nil {
      throw RegistryError.invalid("resource", "a widget session lets the person choose: leave out the resource")
    }
    return kind
  }

  /// A request that another connection to replace would fit.
  private static func conflict(_ field: String, _ message: String) -> RegistryError {
    RegistryError(.replacesConflict, message, field: field)
  }

  private static func check(_ new: NewAuthSession, kind: AuthSession.Kind, idempotencyKey: String?) throws {
    let providers = new.providers ?? []
    guard providers.count <= 200, providers.allSatisfy({ (try? Resource($0)) != nil && !$0.contains(",") }) else {
      throw RegistryError.invalid("providers", "at most 200 names as Terra spells them, such as GARMIN")
    }
    if let language = new.language,
      !(1...35).contains(language.utf8.count) || !language.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    {
      throw RegistryError.invalid("language", "a language tag such as en or zh_cn")
    }
    // What the connection to replace makes of it is not known to who asks.
    let isChoice = kind == .widget && (new.kind != nil || new.replaces == nil)
    if !isChoice, new.multiAuth {
      throw RegistryError.invalid("multi_auth", "several connections need a session of kind widget")
    }
    if !isChoice, !providers.isEmpty {
      throw RegistryError.invalid("providers", "a choice of providers needs a session of kind widget")
    }
    if kind == .mobile {
      for (field, value) in [("success", new.success), ("failure", new.failure), ("language", new.language)]
      where value != nil {
        throw RegistryError.invalid(field, "a mobile session has no browser: leave it out")
      }
    }
    if let key = idempotencyKey, !(1...255).contains(key.utf8.count) || !key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    {
      throw RegistryError.invalid("idempotency_key", "1 to 255 printable characters without spaces")
    }
  }

  private static func given(_ url: String?, _ field: String) throws -> String {
    guard let url else { throw RegistryError.invalid(field, "a URL to return to is needed, unless the kind is mobile") }
    return url
  }

  /// Asks Terra, again where that cannot begin anything twice.
  func begin(with client: TerraClient, success: String, failure: String) async throws -> AuthSessionRecords.Answer {
    try await client.retrying(isRepeatable: false) { client in
      switch draft.kind {
      case .direct:
        guard let resource = draft.resource else { throw RegistryError.invalid("resource", "is needed") }
        let answer = try await client.authenticateUser(
          resource: resource, referenceID: draft.referenceID, successRedirectURL: success, failureRedirectURL: failure,
          language: language)
        return .init(userID: answer.userID, url: answer.authURL, expiresIn: answer.expiresIn)
      case .widget:
        var request = TerraWidgetSessionRequest(
          referenceID: draft.referenceID, providers: providers, successRedirectURL: success,
          failureRedirectURL: failure, language: language)
        if draft.multiAuth { request.allowsMultipleConnections = true }
        let answer = try await client.generateWidgetSession(request)
        return .init(terraSessionID: answer.sessionID, url: answer.url, expiresIn: answer.expiresIn)
      case .mobile:
        let answer = try await client.generateAuthToken(referenceID: draft.referenceID)
        return .init(token: answer.token, expiresIn: answer.expiresIn)
      }
    }
  }
}

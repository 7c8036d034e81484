import Foundation
import RegistryModel
import RegistryTerra

/// A request for a session after every field was checked.
struct AuthSessionOpening: Sendable {
  let kind: AuthSession.Kind
  let referenceID: String?
  let resource: Resource?
  let success: String
  let failure: String
  let language: String?
  let providers: [String]
  let multiAuth: Bool
  /// Of the request, so that an idempotency key can be held against it.
  let sha256: [UInt8]

  /// What Terra gave for it.
  struct Answer: Sendable {
    var userID: String?
    var terraSessionID: String?
    var url: String
    var expiresIn: Duration?
  }

  init(_ new: NewAuthSession, idempotencyKey: String?, tenant: Tenant) throws {
    if let person = new.referenceID {
      do { _ = try ReferenceID(person) } catch { throw RegistryError.invalid("reference_id", "\(error)") }
    }
    if let name = new.resource {
      do { resource = try Resource(name) } catch { throw RegistryError.invalid("resource", "\(error)") }
    } else {
      resource = nil
    }
    let providers = new.providers ?? []
    guard providers.count <= 200, providers.allSatisfy({ (try? Resource($0)) != nil && !$0.contains(",") }) else {
      throw RegistryError.invalid("providers", "at most 200 names as Terra spells them, such as GARMIN")
    }
    if let language = new.language,
      !(1...35).contains(language.utf8.count) || !language.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    {
      throw RegistryError.invalid("language", "a language tag such as en or zh_cn")
    }
    if resource != nil, new.multiAuth {
      throw RegistryError.invalid("multi_auth", "several connections need the widget: leave out the resource")
    }
    if resource != nil, !providers.isEmpty {
      throw RegistryError.invalid("providers", "a session for one resource offers no choice: leave out one of the two")
    }
    if let key = idempotencyKey, !(1...255).contains(key.utf8.count) || !key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    {
      throw RegistryError.invalid("idempotency_key", "1 to 255 printable characters without spaces")
    }
    referenceID = new.referenceID
    kind = resource == nil ? .widget : .direct
    success = try ReturnURL(new.success, field: "success", of: tenant).text
    failure = try ReturnURL(new.failure, field: "failure", of: tenant).text
    language = new.language
    self.providers = providers.map { $0.uppercased() }
    multiAuth = new.multiAuth
    sha256 = Fingerprint.sha256(of: [
      new.referenceID.map { "r" + $0 } ?? "", resource?.rawValue ?? "", success, failure, new.language ?? "",
      self.providers.joined(separator: ","), multiAuth ? "multi" : "",
    ])
  }

  /// Asks Terra.
  func begin(with client: TerraClient, success: String, failure: String) async throws -> Answer {
    if let resource {
      let answer = try await client.authenticateUser(
        resource: resource, referenceID: referenceID, successRedirectURL: success, failureRedirectURL: failure,
        language: language)
      return Answer(userID: answer.userID, url: answer.authURL, expiresIn: answer.expiresIn)
    }
    var request = TerraWidgetSessionRequest()
    request.referenceID = referenceID
    request.providers = providers
    request.successRedirectURL = success
    request.failureRedirectURL = failure
    request.language = language
    if multiAuth { request.allowsMultipleConnections = true }
    let answer = try await client.generateWidgetSession(request)
    return Answer(terraSessionID: answer.sessionID, url: answer.url, expiresIn: answer.expiresIn)
  }

  /// What the session says of a pre-issued id: it is expected, for this person at this resource, until a fact says
  /// more. It joins with the least key.
  func expectation(sessionID: UUID) -> ConnectionRegisters {
    let key = OrderKey(instant: Instant(microseconds: 0), rank: .data, factID: sessionID.text)
    var registers = ConnectionRegisters()
    registers.referenceID = referenceID.map { Register(key: key, value: $0) }
    registers.resource = resource.map { Register(key: key, value: $0.rawValue) }
    return registers
  }
}

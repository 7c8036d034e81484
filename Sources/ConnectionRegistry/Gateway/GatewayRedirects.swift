import Foundation
import RegistryModel
import RegistryTerra

/// What a client of Terra's asks for when it begins a session, and where it wants the browser to return.
struct GatewayRedirects: Sendable {
  static let successName = "auth_success_redirect_url"
  static let failureName = "auth_failure_redirect_url"
  /// A value of the older widget that stands for a mode and not for a URL.
  static let multiAuth = "multi-auth"

  /// Where the browser returns, as the tenant's list allows it; nil where none was given.
  private(set) var success: String?
  private(set) var failure: String?
  let referenceID: String?
  let resource: String?
  let isMultiAuth: Bool

  private let body: JSONMemberText
  private let query: GatewayQuery

  /// - Parameters:
  ///   - bytes: the body as it came.
  ///   - query: the query as it came.
  ///   - tenant: whose list of URLs counts; in shadow mode the client's own URLs are left alone.
  /// - Throws: `invalid_request`, `return_url_not_allowed`.
  init(body bytes: [UInt8], query: GatewayQuery, tenant: Tenant) throws {
    do {
      body = try JSONMemberText(bytes)
    } catch {
      throw RegistryError(.invalidRequest, "the body \(error.problem) (byte \(error.offset))")
    }
    // Where a semicolon separates, a URL could stand behind it that nobody has looked at.
    guard !query.raw.contains(";") else {
      throw RegistryError(.invalidRequest, "a semicolon in the query must be percent-encoded")
    }
    self.query = query
    referenceID = try Self.text("reference_id", body, query)
    resource = try Self.text("resource", body, query)
    let given = try Self.text(Self.successName, body, query)
    let isMode = given == Self.multiAuth
    isMultiAuth = isMode || body.values(of: "multi_auth").last == .bool(true)
    if let referenceID, (try? ReferenceID(referenceID)) == nil {
      throw RegistryError.invalid("reference_id", "1 to \(ReferenceID.maximumBytes) bytes without NUL")
    }
    guard !tenant.shadow else { return }
    if !isMode { success = try Self.allowed(given, Self.successName, tenant) }
    failure = try Self.allowed(try Self.text(Self.failureName, body, query), Self.failureName, tenant)
  }

  /// The text that is given once, in the body or in the query; Terra's clients do either. Empty and null say nothing.
  private static func text(_ name: String, _ body: JSONMemberText, _ query: GatewayQuery) throws -> String? {
    var given: [String] = []
    for value in body.values(of: name) {
      switch value {
      case .null: continue
      case .string(let text): if !text.isEmpty { given.append(text) }
      default: throw RegistryError.invalid(name, "must be text")
      }
    }
    given += query.values(of: name).filter { !$0.isEmpty }
    guard given.count <= 1 else { throw RegistryError.invalid(name, "may be given once") }
    return given.first
  }

  private static func allowed(_ url: String?, _ name: String, _ tenant: Tenant) throws -> String? {
    guard let url else { return nil }
    do {
      return try ReturnURL(url, field: name, of: tenant).text
    } catch {
      let shown = Self.shown(url)
      throw RegistryError(
        .returnURLNotAllowed,
        "\(shown): \(error.message); `registry tenant update \(tenant.slug) --return-url URL …` sets the list",
        field: name)
    }
  }

  /// A URL as an error may show it: without its query, and where there may be user information with the scheme alone,
  /// because either may hold something secret.
  private static func shown(_ url: String) -> String {
    let visible = String(url.prefix { $0 != "?" && $0 != "#" }.prefix(200).filter { $0.isASCII && $0 > " " })
    guard url.contains("@") else { return visible }
    let scheme = url.prefix { $0.isASCII && ($0.isLetter || $0.isNumber) }
    return url.dropFirst(scheme.count).hasPrefix("://") ? "\(scheme)://…" : "this URL"
  }

  /// Body and query with the registry's own URLs in place of those that were given.
  func wrapped(base: String) -> (body: [UInt8], query: String) {
    var texts: [String: String] = [:]
    if success != nil { texts[Self.successName] = base + "/success" }
    if failure != nil { texts[Self.failureName] = base + "/failure" }
    // What is given empty, or as null, stays so.
    let inBody = texts.filter { name, _ in
      body.values(of: name).contains { if case .string(let text) = $0 { !text.isEmpty } else { false } }
    }
    let inQuery = texts.filter { name, _ in inBody[name] == nil }
    return (body.replacing(inBody), query.replacing(inQuery))
  }
}

import Foundation

/// A URL to which a browser may be sent when Terra is done with it (design of the open redirect: there is none).
///
/// It is parsed once and serialised again, so that what is compared is what is sent.
struct ReturnURL: Sendable, Hashable {
  static let maximumBytes = 2_048
  static let refusedSchemes: Set<String> = [
    "javascript", "data", "vbscript", "file", "blob", "intent", "about", "view-source", "ftp", "ws", "wss",
  ]

  /// The URL as it is stored and sent.
  let text: String
  private let scheme: String
  private let host: String
  private let port: Int?
  private let path: String

  /// Reads an entry of a tenant's allow-list.
  init(pattern: String, environment: String) throws(RegistryError) {
    try self.init(pattern, field: "return_urls", environment: environment)
    guard !text.contains("?"), !text.contains("#") else {
      throw RegistryError.invalid(
        "return_urls", "an entry names scheme, host, port and path, without query or fragment")
    }
  }

  /// Reads the URL of a session and holds it against the tenant's allow-list.
  init(_ url: String, field: String, of tenant: Tenant) throws(RegistryError) {
    try self.init(url, field: field, environment: tenant.environment)
    for entry in tenant.returnURLs {
      if let allowed = try? ReturnURL(pattern: entry, environment: tenant.environment), covered(by: allowed) { return }
    }
    throw RegistryError(
      .returnURLNotAllowed,
      "this URL is not on the tenant's allow-list: scheme, host and port must be equal, the path below an entry's",
      field: field)
  }

  private init(_ url: String, field: String, environment: String) throws(RegistryError) {
    let refuse: (String) -> RegistryError = { RegistryError(.returnURLNotAllowed, $0, field: field) }
    guard !url.isEmpty, url.utf8.count <= Self.maximumBytes else {
      throw refuse("a URL of 1 to \(Self.maximumBytes) bytes is needed")
    }
    guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
      throw refuse("a URL has no spaces, control characters or backslashes; other letters are percent-encoded")
    }
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased() else {
      throw refuse("this is not an absolute URL")
    }
    guard !Self.refusedSchemes.contains(scheme) else { throw refuse("the scheme \(scheme) is never allowed") }
    guard parts.user == nil, parts.password == nil else { throw refuse("a URL with user information is not allowed") }
    // An app's own URL goes back as it was written: what looks like a host is often a name whose case the app compares.
    let isWeb = scheme == "https" || scheme == "http"
    let host = (isWeb ? parts.host?.lowercased() : parts.host) ?? ""
    if scheme == "http" {
      guard environment != "production", ["localhost", "127.0.0.1", "[::1]", "::1"].contains(host) else {
        throw refuse("http is allowed on localhost only, and not in production: use https")
      }
    } else if scheme == "https" {
      guard !host.isEmpty else { throw refuse("this URL names no host") }
    }
    // What some servers decode to a separator separates here too.
    let separated = parts.percentEncodedPath.lowercased().replacing("%2f", with: "/").replacing("%5c", with: "/")
    let segments = separated.split(separator: "/", omittingEmptySubsequences: false)
    guard !segments.contains(where: { Self.isDots($0) }) else {
      throw refuse("a path with dot segments is not allowed")
    }
    self.scheme = scheme
    self.host = host
    self.port = parts.port
    self.path = parts.percentEncodedPath
    // Only right behind the scheme: a query may hold another URL.
    let behindScheme = url.dropFirst(scheme.utf8.count + 1)
    let port = parts.port.map { ":\($0)" } ?? ""
    let authority = behindScheme.hasPrefix("//") ? "//\(host)\(port)" : ""
    self.text =
      "\(scheme):\(authority)\(path)"
      + (parts.percentEncodedQuery.map { "?\($0)" } ?? "") + (parts.percentEncodedFragment.map { "#\($0)" } ?? "")
  }

  /// `.` and `..`, also where they are percent-encoded.
  private static func isDots(_ segment: Substring) -> Bool {
    let plain = segment.lowercased().replacing("%2e", with: ".")
    return plain == "." || plain == ".."
  }

  private func covered(by entry: ReturnURL) -> Bool {
    guard scheme == entry.scheme, host.lowercased() == entry.host.lowercased(), port == entry.port else { return false }
    guard scheme == "https" || scheme == "http" else { return path == entry.path }
    if entry.path.isEmpty || entry.path == "/" { return true }
    return path == entry.path || path.hasPrefix(entry.path.hasSuffix("/") ? entry.path : entry.path + "/")
  }

  /// The URL with a query appended to its own, before its fragment.
  static func appending(_ query: String, to url: String) -> String {
    guard !query.isEmpty else { return url }
    let parts = url.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    let head = String(parts[0])
    let separator = head.contains("?") ? (head.hasSuffix("?") || head.hasSuffix("&") ? "" : "&") : "?"
    return head + separator + query + (parts.count > 1 ? "#" + parts[1] : "")
  }
}

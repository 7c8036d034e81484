import Foundation

/// The URL of an endpoint, parsed once and serialised again, so that what is checked is what is called.
struct EndpointURL: Sendable, Hashable {
  static let maximumBytes = 2_048

  /// The URL as it is stored and called.
  let text: String
  /// The host without brackets.
  let host: String
  let isSecure: Bool

  /// Reads a URL.
  ///
  /// - Parameters:
  ///   - url: the URL as it was given.
  ///   - environment: the tenant's; plain http is for `testing` only.
  /// - Throws: `invalid_request` for the field `url`, saying what would be right.
  init(_ url: String, environment: String) throws(RegistryError) {
    let refuse: (String) -> RegistryError = { RegistryError.invalid("url", $0) }
    guard !url.isEmpty, url.utf8.count <= Self.maximumBytes else {
      throw refuse("a URL of 1 to \(Self.maximumBytes) bytes is needed")
    }
    guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
      throw refuse("a URL has no spaces, control characters or backslashes; other letters are percent-encoded")
    }
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
      scheme == "https" || scheme == "http"
    else { throw refuse("an absolute https URL is needed, such as https://backend.example/registry") }
    guard scheme == "https" || environment == "testing" else {
      throw refuse("http is for tenants of the environment testing only: use https")
    }
    guard parts.user == nil, parts.password == nil else {
      throw refuse("a URL with user information is not allowed: the signature says who calls")
    }
    guard parts.fragment == nil else { throw refuse("a fragment is not sent: leave it out") }
    var host = parts.encodedHost?.lowercased() ?? ""
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard let address = NetworkAddress(host), !address.isV4 else {
        throw refuse("between brackets stands an IPv6 address without a zone")
      }
    }
    guard !host.isEmpty, !host.contains("%") else { throw refuse("this URL names no host that can be called") }
    if let port = parts.port, !(1...65_535).contains(port) { throw refuse("a port is a number from 1 to 65535") }
    self.host = host
    isSecure = scheme == "https"
    let authority = (host.contains(":") ? "[\(host)]" : host) + (parts.port.map { ":\($0)" } ?? "")
    let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
    text = "\(scheme)://\(authority)\(path)" + (parts.percentEncodedQuery.map { "?\($0)" } ?? "")
  }
}

import RegistryTerra

/// The query of a call to Terra: read where it must be, and every other byte of it left as it is.
struct GatewayQuery: Sendable {
  /// The query as it came, without the question mark.
  let raw: String
  private let query: RedirectQuery

  init(_ raw: String) {
    self.raw = raw
    query = RedirectQuery(rawQuery: raw)
  }

  /// The values of a name, in order.
  func values(of name: String) -> [String] {
    query.parameters.filter { $0.name == name }.map(\.value)
  }

  /// The one value of a name that decides about what is recorded.
  ///
  /// - Throws: `invalid_request` where it is given twice: nobody knows which of the two Terra takes.
  func single(_ name: String) throws(RegistryError) -> String? {
    let values = values(of: name).filter { !$0.isEmpty }
    guard values.count <= 1 else { throw RegistryError.invalid(name, "may be given once") }
    return values.first
  }

  /// The query with the values of some names exchanged.
  func replacing(_ texts: [String: String]) -> String {
    guard !texts.isEmpty else { return raw }
    return raw.split(separator: "&", omittingEmptySubsequences: false).map { part in
      let name = part.prefix { $0 != "=" }
      guard let known = RedirectQuery(rawQuery: String(part)).parameters.first?.name, let text = texts[known] else {
        return String(part)
      }
      return name + "=" + QueryCoding.encoded(text)
    }.joined(separator: "&")
  }
}

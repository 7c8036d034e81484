/// The query of a browser redirect: an unsigned claim, in whatever shape it arrives.
///
/// Nothing is refused. `null`, an empty value and an absent parameter all claim nothing; of a repeated parameter the
/// last counts, because Terra appends its own to the URL's; a value that cannot be decoded is kept as it came.
public struct RedirectQuery: Sendable, Hashable {
  /// One parameter, decoded.
  public struct Parameter: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The value; empty when there is none.
    public let value: String
    /// Whether name and value could be decoded; where not, they stand as they came.
    public let isDecoded: Bool
  }

  /// The query as it came, without the question mark; bytes that no text can hold are percent-encoded.
  public let raw: String
  /// All parameters, in order.
  public let parameters: [Parameter]
  /// The names that occur more than once with different values, in order of their first occurrence.
  public let ambiguous: [String]
  /// The names whose value could not be decoded, in order.
  public let undecodable: [String]

  /// The connection that the browser claims; nil when the claim names none, as after a hand-over to a mobile app.
  public let userID: String?
  /// The app user that the browser claims.
  public let referenceID: String?
  /// The provider that the browser claims, in upper case.
  public let resource: String?
  /// Why the attempt failed, in Terra's free text: `reason`, else `error`, else `message`. No name is documented.
  public let reason: String?

  /// - Parameter rawQuery: the query without the question mark, not decoded.
  public init(rawQuery: String) {
    self.init(rawQuery: Array(rawQuery.utf8))
  }

  /// - Parameter bytes: the bytes of the query without the question mark, not decoded.
  public init(rawQuery bytes: [UInt8]) {
    raw = QueryCoding.storable(bytes)
    let parameters = bytes.split(separator: UInt8(ascii: "&")).map(Self.parameter(in:))
    self.parameters = parameters
    var values: [String: String] = [:]
    var ambiguous: [String] = []
    for parameter in parameters {
      if let earlier = values[parameter.name], earlier != parameter.value, !ambiguous.contains(parameter.name) {
        ambiguous.append(parameter.name)
      }
      values[parameter.name] = parameter.value
    }
    self.ambiguous = ambiguous
    undecodable = parameters.filter { !$0.isDecoded }.map(\.name)
    func claim(_ name: String) -> String? {
      guard let value = values[name], !value.isEmpty, value != "null" else { return nil }
      return value
    }
    userID = claim("user_id")
    referenceID = claim("reference_id")
    resource = claim("resource").map { QueryCoding.upperCased($0) }
    reason = claim("reason") ?? claim("error") ?? claim("message")
  }

  private static func parameter(in bytes: ArraySlice<UInt8>) -> Parameter {
    let parts = bytes.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts.first ?? []
    let value = parts.count > 1 ? parts[1] : []
    let decodedName = QueryCoding.decoded(name)
    let decodedValue = QueryCoding.decoded(value)
    return Parameter(
      name: decodedName ?? QueryCoding.storable(name), value: decodedValue ?? QueryCoding.storable(value),
      isDecoded: decodedName != nil && decodedValue != nil)
  }
}

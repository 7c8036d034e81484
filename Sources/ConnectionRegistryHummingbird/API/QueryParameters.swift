import ConnectionRegistry
import Hummingbird

/// The query of a request to `/v1`, read strictly: a parameter that is unknown or repeated is an error, because a
/// misspelled filter would otherwise answer with everything.
struct QueryParameters {
  private var values: [String: String] = [:]

  /// Reads the query.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - allowed: The parameters that the route knows.
  /// - Throws: ``Problem`` `invalid_request` that names the parameter.
  init(_ request: Request, allowed: Set<String>) throws {
    for pair in (request.uri.query ?? "").split(separator: "&", omittingEmptySubsequences: true) {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = PercentCoding.decode(parts[0], plusIsSpace: true), allowed.contains(name) else {
        let known = allowed.sorted().joined(separator: ", ")
        throw Problem(.badRequest, "invalid_request", "The query takes \(known), and nothing else.", field: nil)
      }
      guard let value = PercentCoding.decode(parts.count == 2 ? parts[1] : "", plusIsSpace: true),
        !value.utf8.contains(0)
      else {
        throw Problem(
          .badRequest, "invalid_request", "The value must be percent-encoded UTF-8 without NUL.", field: name)
      }
      guard values.updateValue(value, forKey: name) == nil else {
        throw Problem(.badRequest, "invalid_request", "The parameter may be given once.", field: name)
      }
    }
  }

  /// The value of a parameter; `nil` when it is not given.
  subscript(name: String) -> String? { values[name] }

  /// The value of a parameter that is one of a closed set.
  ///
  /// - Throws: ``Problem`` `invalid_request` that lists what is possible.
  func choice<Value: RawRepresentable & CaseIterable>(
    _ name: String, as type: Value.Type = Value.self
  ) throws -> Value? where Value.RawValue == String {
    guard let text = values[name] else { return nil }
    guard let value = Value(rawValue: text) else {
      let possible = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem(.badRequest, "invalid_request", "The value must be one of \(possible).", field: name)
    }
    return value
  }

  /// The page that `limit` and `cursor` ask for.
  ///
  /// - Throws: ``Problem`` `invalid_request` when `limit` is not 1 to 200.
  func page() throws -> Page {
    var limit = 50
    if let text = values["limit"] {
      guard let number = Int(text), (1...200).contains(number) else {
        throw Problem(.badRequest, "invalid_request", "The limit must be a number from 1 to 200.", field: "limit")
      }
      limit = number
    }
    return Page(limit: limit, cursor: values["cursor"])
  }
}

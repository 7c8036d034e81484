import ConnectionRegistry
import Foundation
import Hummingbird

/// The query of a request to `/v1`, read strictly: a parameter that is unknown or repeated is an error, because a
/// misspelled filter would otherwise answer with everything. Every value fits its parameter's schema.
struct QueryParameters: Sendable {
  private var values: [String: String] = [:]

  /// Reads the query.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - parameters: The parameters that the operation knows.
  /// - Throws: ``Problem`` `invalid_request` that names the parameter.
  init(_ request: Request, parameters: [APIParameter]) throws {
    for pair in (request.uri.query ?? "").split(separator: "&", omittingEmptySubsequences: true) {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = PercentCoding.decode(parts[0], plusIsSpace: true),
        let parameter = parameters.first(where: { $0.name == name })
      else {
        let known = parameters.map(\.name).joined(separator: ", ")
        throw Problem(
          .invalidRequest, known.isEmpty ? "This takes no query." : "The query takes \(known), and nothing else.")
      }
      guard let value = PercentCoding.decode(parts.count == 2 ? parts[1] : "", plusIsSpace: true),
        !value.utf8.contains(0)
      else {
        throw Problem(.invalidRequest, "The value must be percent-encoded UTF-8 without NUL.", field: name)
      }
      do {
        try parameter.schema.check(parameter.schema.value(ofText: value))
      } catch {
        throw Problem(.invalidRequest, error.sentence, field: name)
      }
      guard values.updateValue(value, forKey: name) == nil else {
        throw Problem(.invalidRequest, "The parameter may be given once.", field: name)
      }
    }
  }

  /// The value of a parameter; `nil` when it is not given.
  subscript(name: String) -> String? { values[name] }

  /// The value of a parameter that is a whole number.
  func integer(_ name: String) -> Int? { values[name].flatMap { Int($0) } }

  /// The value of a parameter that is a time.
  func time(_ name: String) -> Date? { values[name].flatMap(RFC3339.date) }

  /// The span that ``APIParameter/span(_:named:)`` declares.
  func span(_ name: String? = nil) -> TimeRange {
    let prefix = name.map { $0 + "_" } ?? ""
    return TimeRange(since: time(prefix + "since"), until: time(prefix + "until"))
  }

  /// Whether a parameter that is a flag says `true`.
  func flag(_ name: String) -> Bool { values[name] == "true" }

  /// The values of a parameter that is a list, separated by commas.
  func list(_ name: String) -> [String]? { values[name]?.split(separator: ",").map(String.init) }

  /// The value of a parameter that is one of a closed set.
  func choice<Value: RawRepresentable>(_ name: String, as type: Value.Type = Value.self) -> Value?
  where Value.RawValue == String { values[name].flatMap(Value.init(rawValue:)) }

  /// The page that `limit` and `cursor` ask for.
  var page: Page { Page(limit: integer("limit") ?? 50, cursor: values["cursor"]) }
}

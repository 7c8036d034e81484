/// Where Terra sends the browser, and with which claims.
struct Redirect: Sendable, Hashable {
  var isSuccess: Bool
  /// The application's URL; nil leaves the browser on Terra's own page.
  var target: String?
  var userID: String?
  var referenceID: String?
  var resource: String
  var reason: String?

  /// The URL with Terra's parameters behind its own ones.
  ///
  /// Their order varies, a missing `reference_id` is the word `null`, a missing `user_id` is that word, empty or
  /// absent.
  ///
  /// - Parameters:
  ///   - target: the application's URL.
  ///   - draw: decides the order and the form of a missing id.
  /// - Returns: where the browser goes.
  func url(target: String, draw: (String) -> Double) -> String {
    var parameters = [("reference_id", self.referenceID ?? "null"), ("resource", self.resource)]
    if let userID {
      parameters.append(("user_id", userID))
    } else {
      let form = draw("null form")
      if form < 0.5 {
        parameters.append(("user_id", "null"))
      } else if form < 0.75 {
        parameters.append(("user_id", ""))
      }
    }
    if let reason { parameters.append(("reason", reason)) }
    var ordered: [(String, String)] = []
    while !parameters.isEmpty {
      let index = Int(draw("order \(parameters.count)") * Double(parameters.count))
      ordered.append(parameters.remove(at: min(index, parameters.count - 1)))
    }
    return Self.appending(ordered, to: target)
  }

  /// Adds parameters behind the query that a URL already has, before its fragment.
  static func appending(_ parameters: [(String, String)], to url: String) -> String {
    let parts = url.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    var result = String(parts.first ?? "")
    for (name, value) in parameters {
      let separator = !result.contains("?") ? "?" : (result.hasSuffix("?") || result.hasSuffix("&")) ? "" : "&"
      result += separator + FormCoding.encode(name) + "=" + FormCoding.encode(value)
    }
    return parts.count > 1 ? result + "#" + parts[1] : result
  }
}

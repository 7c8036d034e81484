/// What can be wrong with every answer about single connections (`GET /userInfo`). None of them says anything about a
/// connection.
public enum UserInfoFault: String, Sendable, Hashable, CaseIterable, Codable {
  /// 429.
  case rateLimited = "rate_limited"
  /// 500 and HTML.
  case serverError = "server_error"
  /// The body is empty, with status 200.
  case emptyBody = "empty_body"
  /// 404 and HTML, from something that stands before Terra.
  case strangeNotFound = "strange_not_found"
}

/// What can be wrong with Terra's listing of connections (`GET /subscriptions`).
public enum ListingFault: String, Sendable, Hashable, CaseIterable, Codable {
  /// It ends after the first half, and says that it is whole.
  case truncated
  /// It ends after the first half, and names a later page as its last one.
  case cutShort = "cut_short"
  /// On each page but the first, one connection is missing: another was removed while the pages were read.
  case shifted
  /// Every page holds the first connection again.
  case repeated
  /// The first connection is listed twice, the second time under another app user.
  case conflicting
  /// The oldest connections are gone from it, and are unknown when they are asked for one by one: a part of Terra's own
  /// store is not there.
  case lostPart = "lost_part"
  /// It holds nobody.
  case empty
  /// The body is empty, with status 200.
  case emptyBody = "empty_body"
  /// It is that of another environment.
  case foreign
  /// It holds connections of another environment beside its own.
  case mixed
  /// Every page but the first is answered with 429.
  case rateLimited = "rate_limited"
  /// Every page but the first is answered with 500 and HTML.
  case serverError = "server_error"
  /// The page after the first is the third.
  case skipsPage = "skips_page"
}

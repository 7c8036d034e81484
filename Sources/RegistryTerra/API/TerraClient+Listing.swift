import NIOHTTP1

extension TerraClient {
  /// Asks Terra about one connection (`GET /userInfo?user_id=`).
  ///
  /// - Parameter userID: the connection.
  /// - Returns: what Terra knows. No error means "no such connection", except `notFound`.
  /// - Throws: ``TerraAPIError`` (`notFound` when Terra does not know the connection), or `CancellationError`.
  public func userInfo(userID: String) async throws -> TerraUserInfo {
    let call = call(.GET, "/userInfo", query: [("user_id", userID)])
    return try TerraUserInfo(AnswerReader(try await perform(call), endpoint: call.name), userID: userID)
  }

  /// Asks Terra about all connections of one app user (`GET /userInfo?reference_id=`).
  ///
  /// Three shapes of the answer are in use, and all are understood: an array of users, `{"users": […]}` and
  /// `{"user": {…}}`.
  ///
  /// - Parameter referenceID: the team's id of the app user.
  /// - Returns: the connections; empty only where Terra answered with an empty list.
  /// - Throws: ``TerraAPIError`` (`notFound` where Terra answers so for an unknown app user; `unreadableReply` when
  ///   even one connection cannot be read, because part of a list proves nothing), or `CancellationError`.
  public func userInfo(referenceID: String) async throws -> [TerraUser] {
    let call = call(.GET, "/userInfo", query: [("reference_id", referenceID)])
    return try AnswerReader(try await perform(call), endpoint: call.name).users()
  }

  /// Reads Terra's listing of connections (`GET /subscriptions`).
  ///
  /// - Parameters:
  ///   - page: the page to read, counted from zero; nil asks for the whole listing in one answer.
  ///   - perPage: how many connections a page has, 1 to 500.
  /// - Returns: the page; where Terra answers with `{"users": […]}` although a page was asked for, the whole listing.
  /// - Throws: ``TerraAPIError`` (`unreadableReply` when even one connection cannot be read, or the next page is not
  ///   after this one), or `CancellationError`.
  public func subscriptions(page: Int? = nil, perPage: Int = 500) async throws -> TerraSubscriptionPage {
    let query = page.map { [("page", String($0)), ("per_page", String(perPage))] } ?? []
    let call = call(.GET, "/subscriptions", query: query.map { (name: $0.0, value: $0.1) })
    let document = try await perform(call)
    return try AnswerReader(document, endpoint: call.name).subscriptionPage(asked: page)
  }
}

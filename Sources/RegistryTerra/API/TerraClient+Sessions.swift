import NIOHTTP1
public import RegistryModel

extension TerraClient {
  /// Begins the authentication of an app user at one provider (`POST /auth/authenticateUser`).
  ///
  /// - Parameters:
  ///   - resource: the provider.
  ///   - referenceID: the team's id of the app user.
  ///   - successRedirectURL: where Terra sends the browser after a success.
  ///   - failureRedirectURL: where Terra sends the browser after a failure.
  ///   - language: the language of Terra's pages.
  /// - Returns: the id that the connection will have, and where to send the browser.
  /// - Throws: ``TerraAPIError`` (`notFound` for an unknown provider on the older generation, `badRequest` on the
  ///   newer), or `CancellationError`.
  public func authenticateUser(
    resource: Resource, referenceID: String?, successRedirectURL: String? = nil, failureRedirectURL: String? = nil,
    language: String? = nil
  ) async throws -> TerraAuthentication {
    var members: [String: JSONValue] = [:]
    members["reference_id"] = referenceID.map(JSONValue.string)
    members["auth_success_redirect_url"] = successRedirectURL.map(JSONValue.string)
    members["auth_failure_redirect_url"] = failureRedirectURL.map(JSONValue.string)
    members["language"] = language.map(JSONValue.string)
    let call = call(
      .POST, "/auth/authenticateUser", query: [("resource", resource.rawValue)], body: .object(members))
    let answer = AnswerReader(try await perform(call), endpoint: call.name)
    return TerraAuthentication(
      userID: try answer.text("user_id", limit: UserID.maximumBytes), authURL: try answer.webURL("auth_url"),
      expiresIn: answer.seconds("expires_in"))
  }

  /// Makes a session in which the app user picks a provider, at ``Configuration/widgetSessionURL``; both generations of
  /// the answer are understood (200 and 201).
  ///
  /// - Parameter request: what to ask for.
  /// - Returns: the session, and where to send the browser.
  /// - Throws: ``TerraAPIError`` (`gone` where the older endpoint is closed for the account, `serverError` also where
  ///   no provider is enabled in the environment), or `CancellationError`.
  public func generateWidgetSession(_ request: TerraWidgetSessionRequest) async throws -> TerraWidgetSession {
    let call = Call(
      method: .POST, url: configuration.widgetSessionURL, name: "POST widget session", body: request.body)
    let answer = AnswerReader(try await perform(call), endpoint: call.name)
    return TerraWidgetSession(
      sessionID: try answer.text("session_id", limit: 1_024), url: try answer.webURL("url"),
      expiresIn: answer.seconds("expires_in"), warnings: answer.texts("warnings"))
  }

  /// Ends a connection (`DELETE /auth/deauthenticateUser`): Terra deletes all that it holds about it, revokes the
  /// access at the provider and sends a `deauth` webhook. This cannot be undone.
  ///
  /// - Parameter userID: the connection.
  /// - Throws: ``TerraAPIError`` (`notFound` when Terra does not know the connection), or `CancellationError`.
  public func deauthenticateUser(userID: String) async throws {
    _ = try await perform(call(.DELETE, "/auth/deauthenticateUser", query: [("user_id", userID)]))
  }
}

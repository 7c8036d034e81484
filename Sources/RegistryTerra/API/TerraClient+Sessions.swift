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
    return try TerraAuthentication(AnswerReader(try await perform(call), endpoint: call.name))
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
      method: .POST, url: configuration.widgetSessionURL, name: "POST widget session", contentType: "application/json",
      body: request.body.bytes)
    return try TerraWidgetSession(AnswerReader(try await perform(call), endpoint: call.name))
  }

  /// Asks for a token with which an app on a phone connects one app user. It can be used once.
  ///
  /// `POST /auth/tokens` binds the token to the app user. Where Terra does not know it, as on the older generation, the token
  /// is `POST /auth/generateAuthToken`'s, and binds nobody: the app names whom it connects.
  ///
  /// - Parameter referenceID: the team's id of the app user; nil binds nobody.
  /// - Returns: the token and how long it can be used.
  /// - Throws: ``TerraAPIError`` (`notFound` for a wrong dev-id on the older generation), or `CancellationError`.
  public func generateAuthToken(referenceID: String? = nil) async throws -> TerraAuthToken {
    if let referenceID {
      let call = call(.POST, "/auth/tokens", query: [("reference_id", referenceID)])
      do {
        return try TerraAuthToken(AnswerReader(try await perform(call), endpoint: call.name))
      } catch let error as TerraAPIError where error.httpStatus == 404 || error.httpStatus == 405 {
        // Nothing was given out.
      }
    }
    let call = call(.POST, "/auth/generateAuthToken")
    return try TerraAuthToken(AnswerReader(try await perform(call), endpoint: call.name))
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

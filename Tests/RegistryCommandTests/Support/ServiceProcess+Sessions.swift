import TerraSandbox
import Testing

extension ServiceProcess {
  /// Opens a session at Terra's stand-in and finds its token in what Terra was told.
  func open(
    _ sandbox: Sandbox, key: String, person: String = "person-1"
  ) async throws -> (token: String, session: String, user: String) {
    let opened = try await api(
      "POST", "/v1/sessions", key: key,
      json: """
        {"reference_id":"\(person)","resource":"GARMIN","success":"https://app.acme.io/devices/done?keep=1",\
        "failure":"https://app.acme.io/devices/error"}
        """)
    let loginURL = try #require(opened.member("auth_url"), "\(opened.body)")
    let attempt = try #require(await sandbox.attempt(loginURL: loginURL))
    let success = try #require(attempt.successURL)
    return (
      CallbackURL(success).token, try #require(opened.member("session_id")), try #require(opened.member("user_id"))
    )
  }

  /// A browser comes with a token of no session.
  func forgeCallback(of tenant: String = "acme") async throws {
    let answer = try await send("GET", "/callbacks/terra/\(tenant)/forged/success?user_id=u1")
    #expect(answer.status == 404)
  }
}

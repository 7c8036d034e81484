import ConnectionRegistry

extension APICall {
  /// A session as this key may see it: where its browser is to be sent is for keys that may open sessions, because who
  /// holds the URL of an open session can connect in its app user's place.
  ///
  /// - Parameter session: The session.
  /// - Returns: The session, without its `auth_url` where the key lacks the scope `sessions:write`.
  func shown(_ session: AuthSession) -> AuthSession {
    guard (try? grant.require(.sessionsWrite)) == nil else { return session }
    var shown = session
    shown.authURL = nil
    return shown
  }

  /// A connection's story with its sessions as this key may see them.
  ///
  /// - Parameter detail: The story.
  /// - Returns: The story as it is answered.
  func shown(_ detail: ConnectionDetail) -> ConnectionDetail {
    var shown = detail
    shown.sessions = detail.sessions.map(self.shown)
    return shown
  }

  /// An app user with its sessions as this key may see them.
  ///
  /// - Parameter detail: The app user.
  /// - Returns: The app user as it is answered.
  func shown(_ detail: AppUserDetail) -> AppUserDetail {
    var shown = detail
    shown.sessions = detail.sessions.map(self.shown)
    return shown
  }

  /// A finding with its sessions as this key may see them.
  ///
  /// - Parameter detail: The finding.
  /// - Returns: The finding as it is answered.
  func shown(_ detail: FindingDetail) -> FindingDetail {
    var shown = detail
    shown.sessions = detail.sessions.map(self.shown)
    return shown
  }
}

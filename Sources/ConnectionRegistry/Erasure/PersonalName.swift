/// What a member of a JSON document names, told from the member's own name: only whole values under these are ever taken
/// for somebody's.
enum PersonalName: Sendable, Hashable {
  case appUser, userID, session, terraSession

  /// - Parameter name: a member's name, of Terra's documents or of the registry's.
  init?(member name: String) {
    switch name {
    case "reference_id", "old_reference_id", "merged_into", "into": self = .appUser
    case "user_id", "old_user_id", "new_user_id", "superseded_by", "replaces": self = .userID
    case "session_id": self = .session
    case "widget_session_id", "terra_session_id": self = .terraSession
    default: return nil
    }
  }

  /// What the subject of an entry in the audit names, told from what was done.
  ///
  /// - Parameter action: such as `app_user.merge`.
  init?(subjectOf action: String) {
    switch action.prefix(while: { $0 != "." }) {
    case "app_user": self = .appUser
    case "connection": self = .userID
    case "session": self = .session
    default: return nil
    }
  }
}

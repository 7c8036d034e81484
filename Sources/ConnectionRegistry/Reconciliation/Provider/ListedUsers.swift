import RegistryTerra

/// The users of one page of a listing, each once.
struct ListedUsers: Sendable {
  /// A user, and whether the page lists it in several ways.
  struct Entry: Sendable {
    var user: TerraUser
    var isConflicting = false
  }

  /// In the order of their ids.
  let entries: [Entry]

  init(_ users: [TerraUser]) {
    var known: [String: Entry] = [:]
    for user in users {
      guard let before = known[user.userID] else {
        known[user.userID] = Entry(user: user)
        continue
      }
      if before.user.referenceID != user.referenceID || before.user.resource != user.resource
        || before.user.isActive != user.isActive
      {
        known[user.userID]?.isConflicting = true
      }
    }
    entries = known.values.sorted { $0.user.userID < $1.user.userID }
  }
}

import Foundation
import RegistryModel
import RegistryTerra

/// Which of an app user's connections at Terra a session has made of which neither an event nor a redirect has come. Pure.
struct SessionCandidates {
  /// Whom the session was opened for, for what, and when.
  let repair: RepairCase
  /// The ids that are known here, whatever became of them: an event or another answer has told of these.
  let known: Set<ExactText>

  /// What the answer comes to.
  enum Choice: Sendable, Hashable {
    /// The one connection that the session can have made.
    case one(String)
    /// Nothing is proved: why, in a sentence for a person.
    case leave(String)
  }

  /// Chooses among Terra's answer about the app user.
  ///
  /// A connection counts if it is the app user's, of the session's resource where it names one, not known here, and made
  /// after the session began by both clocks. Where Terra does not say when one was made that counts otherwise, it may be
  /// older than the session.
  func choose(among users: [TerraUser]) -> Choice {
    let unknown = users.filter { user in
      !known.contains(ExactText(user.userID)) && isOfSession(user)
    }
    let made = unknown.map { ($0.userID, Self.moment($0)) }
    if made.contains(where: { $0.1 == nil }) {
      return .leave(
        "Terra does not say when the app user's connections were made: they may be older than the session.")
    }
    let began = (repair.sessionBeganAt ?? .distantFuture).addingTimeInterval(ObservedFact.clockError.inSeconds)
    let candidates = Set(made.filter { $0.1.map { $0 >= began } ?? false }.map { ExactText($0.0) })
    guard let candidate = candidates.first else {
      return .leave(
        "Terra knows no connection of the app user that is unknown here and was made since the session began.")
    }
    guard candidates.count == 1 else {
      return .leave("Several connections of the app user were made since the session began: a person must decide.")
    }
    return .one(candidate.text)
  }

  private func isOfSession(_ user: TerraUser) -> Bool {
    if let named = user.referenceID, let wanted = repair.referenceID, !named.utf8.elementsEqual(wanted.utf8) {
      return false
    }
    guard let wanted = repair.resource, let named = user.resource?.rawValue else { return true }
    return wanted == named
  }

  /// When Terra says that the connection was made.
  private static func moment(_ user: TerraUser) -> Date? {
    user.createdAt.flatMap { try? Date($0, strategy: .iso8601) }
  }
}

import RegistryModel
import RegistryTerra

/// What is done about a finding once Terra was asked about its connection. Pure.
enum RepairDecision: Sendable, Hashable {
  /// Terra has it authenticated: a correction says so, with what Terra says of it.
  case confirm(TerraUser)
  /// Terra does not know it any more: a correction ends it.
  case end
  /// Nothing is proved: why, in a sentence for a person.
  case leave(String)

  /// What Terra said.
  enum Answer: Sendable, Hashable {
    case known(TerraUser, isAuthenticated: Bool?)
    /// Terra says, in one of its own error formats, that it does not know the id.
    case unknown
  }

  /// Whether Terra need not be asked, and why.
  ///
  /// - Parameters:
  ///   - repair: the case.
  ///   - absenceDoubt: why absence from the last listing does not count; nil where it does.
  /// - Returns: the decision that stands without an answer.
  static func withoutAsking(_ repair: RepairCase, absenceDoubt: String?) -> RepairDecision? {
    guard repair.userID != nil || repair.isAskedByReference else {
      return .leave(
        repair.claims > 1
          ? "Its redirects claim several user_ids: a person must decide which is the session's."
          : "No user_id and no reference_id is known for it, so Terra cannot be asked about it.")
    }
    switch repair.kind {
    case .missingAtProvider:
      if !repair.isLive { return .leave("It has ended here meanwhile.") }
      return absenceDoubt.map { .leave($0) }
    case .statusDrift:
      return .leave(
        repair.reasonCode == "inactive_at_provider"
          ? "Terra's `active: false` alone ends nothing: Terra pauses connections for many reasons."
          : "Two signed or authenticated sources disagree about whose connection it is: a person must decide.")
    default: return nil
    }
  }

  /// What Terra's answer proves.
  static func after(_ answer: Answer, _ repair: RepairCase) -> RepairDecision {
    switch (answer, repair.kind) {
    case (.unknown, .missingAtProvider): return .end
    case (.unknown, .missingLocally):
      return .leave("Terra listed it and does not know it any more: the next listing will tell.")
    case (.unknown, .callbackWithoutEvent):
      return .leave("Terra does not know the connection that the redirect claims: it was never made, or is gone.")
    case (.unknown, _): return .leave("Terra does not know it: nothing was connected.")
    case (.known(let user, let isAuthenticated), .missingAtProvider):
      return isAuthenticated == false
        ? .leave("Terra knows it and says that it is not authenticated, which alone ends nothing.")
        : .leave("Terra knows \(user.isActive == false ? "it, inactive" : "it"): the listing was not whole.")
    case (.known(let user, let isAuthenticated), _):
      guard isAuthenticated ?? user.isActive ?? false, user.isActive != false else {
        return .leave("Terra knows it, but not as authenticated and active.")
      }
      if let wanted = repair.referenceID, let named = user.referenceID, !wanted.utf8.elementsEqual(named.utf8) {
        return .leave("Terra names another reference_id than the session: a person must decide whose it is.")
      }
      if let wanted = repair.resource, let named = user.resource?.rawValue, wanted != named {
        return .leave("Terra names another resource than the session.")
      }
      return .confirm(user)
    }
  }
}

import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra

/// Whether a repair may be undone. Pure.
///
/// A correction is a fact, and facts are not taken out: what it did is taken back by a later one, for which Terra's word of
/// today is needed as it was for the repair. So nothing is undone that a later fact has settled, and nothing against Terra.
struct UndoDecision: Sendable {
  /// A repair, with what the connection's registers say since.
  struct Made: Sendable {
    var findingStatus: FindingStatus
    var correctionID: UUID
    var userID: String
    var verdict: CorrectionVerdict
    /// The order key of the connection's latest correction.
    var latest: OrderKey
    /// The greatest order keys of a sign of life, and of an end.
    var life: OrderKey?
    var end: OrderKey?
    var recordedAt: Date
  }

  let made: Made

  /// Why it cannot be undone whatever Terra says; nil where Terra must be asked.
  var refusal: String? {
    guard made.findingStatus == .repaired else {
      return "The finding is \(made.findingStatus.rawValue): its repair no longer holds, and there is nothing to undo."
    }
    guard made.latest.factID == made.correctionID.text else {
      return "A later answer of Terra's has taken the repair's place: there is nothing left of it to undo."
    }
    if let end = made.end, end > made.latest {
      return "A later event says that the connection has ended, which an undo must not deny."
    }
    if made.verdict == .alive, let life = made.life, life > made.latest {
      return "A later event shows the connection alive: the repair was right, and only Terra can end it."
    }
    return nil
  }

  /// Why Terra's answer forbids it; nil where it proves the opposite of the repair.
  func refusal(after answer: RepairDecision.Answer) -> String? {
    switch (made.verdict, answer) {
    case (.gone, .unknown): "Terra still does not know the connection, so nothing shows it alive: it stays ended."
    case (.gone, .known(let user, let isAuthenticated)):
      (isAuthenticated ?? user.isActive ?? false) && user.isActive != false
        ? nil : "Terra knows the connection, but not as authenticated and active: it stays ended."
    case (.alive, .unknown): nil
    case (.alive, .known):
      "Terra knows the connection: it is alive. `registry connection deauthenticate` ends it at Terra and here."
    }
  }
}

extension UndoDecision.Made {
  /// Reads what `finding_repair_made` says; nil where no correction is known that repaired the finding.
  init?(row: PostgresRow) throws {
    guard let status = FindingStatus(rawValue: try row.decode("finding_status")) else { throw FindingKind.unknown }
    guard let correctionID = try row.decodeIfPresent("correction_id", as: UUID.self),
      let verdict = CorrectionVerdict(rawValue: try row.decode("verdict")),
      let latest = OrderKey(rawValue: try row.decodeIfPresent("correction_key", as: String.self) ?? "")
    else { return nil }
    self.init(
      findingStatus: status, correctionID: correctionID, userID: try row.decode("user_id"), verdict: verdict,
      latest: latest, life: try row.decodeIfPresent("life_key", as: String.self).flatMap(OrderKey.init(rawValue:)),
      end: try row.decodeIfPresent("end_key", as: String.self).flatMap(OrderKey.init(rawValue:)),
      recordedAt: try row.decode("recorded_at"))
  }
}

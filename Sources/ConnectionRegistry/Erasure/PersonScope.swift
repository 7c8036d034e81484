import Foundation
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// What belongs to one app user and to those who were merged into it: ids by kind, never texts that resemble them.
struct PersonScope: Sendable {
  /// A row of one of Terra's listings.
  struct Listed: Sendable, Hashable {
    var listingID: UUID
    var userID: ExactText
  }

  /// The app user and those who were merged into it.
  var referenceIDs: Set<ExactText> = []
  /// Whom the app user was merged into.
  var mergedInto: String?
  var userIDs: Set<ExactText> = []
  var sessions: Set<UUID> = []
  /// The hashes of the sessions' tokens, in hexadecimal digits.
  var attempts: Set<ExactText> = []
  /// The ids that Terra has given to widget sessions.
  var terraSessions: Set<ExactText> = []
  var events: Set<UUID> = []
  var callbacks: Set<UUID> = []
  var receipts: Set<UUID> = []
  /// Of Terra's listings, what is about their connections.
  var listed: Set<Listed> = []
  /// Of Terra's listings, what names the app users at connections of others.
  var listedOthers: Set<Listed> = []
  /// Receipts that cannot be read and hold one of the names in some way.
  var unreadReceipts: Set<UUID> = []

  /// Whether a row was found that names them, beside app users and connections.
  var hasRows: Bool {
    !(sessions.isEmpty && events.isEmpty && callbacks.isEmpty && receipts.isEmpty && listed.isEmpty
      && listedOthers.isEmpty)
  }

  /// The app users, for a statement.
  var references: PostgresParameter { .textArray(referenceIDs.sorted().map(\.text)) }

  /// What they are called: the app users and the connections.
  var names: [String] { referenceIDs.union(userIDs).sorted().map(\.text) }

  /// Takes in what another has.
  mutating func formUnion(_ other: PersonScope) {
    referenceIDs.formUnion(other.referenceIDs)
    userIDs.formUnion(other.userIDs)
    sessions.formUnion(other.sessions)
    attempts.formUnion(other.attempts)
    terraSessions.formUnion(other.terraSessions)
    events.formUnion(other.events)
    callbacks.formUnion(other.callbacks)
    receipts.formUnion(other.receipts)
    listed.formUnion(other.listed)
    listedOthers.formUnion(other.listedOthers)
    unreadReceipts.formUnion(other.unreadReceipts)
  }

  /// Whether a name in a document, a whole value, is one of theirs.
  func holds(_ text: String, as name: PersonalName) -> Bool {
    switch name {
    case .appUser: referenceIDs.contains(ExactText(text))
    case .userID: userIDs.contains(ExactText(text))
    case .session: UUID(uuidString: text).map(sessions.contains) ?? false
    case .terraSession: terraSessions.contains(ExactText(text))
    }
  }

  /// What findings may be about, as type and id.
  var findingSubjects: [String] {
    userIDs.map { "user_id \($0.text)" } + sessions.map { "session \($0.text)" } + attempts.map { "attempt \($0.text)" }
      + callbacks.map { "callback \($0.text)" } + (events.union(receipts)).map { "event \($0.text)" }
      + receipts.map { "receipt \($0.text)" }
  }

  /// What a run may have still to examine, by family.
  var runSubjects: [(family: String, subject: String)] {
    userIDs.flatMap { [("user_id", $0.text), ("listing", $0.text)] } + sessions.map { ("session", $0.text) }
      + attempts.map { ("attempt", $0.text) } + receipts.map { ("receipt", $0.text) }
  }
}

extension PersonScope {
  /// What an erasure notes, so that it can be gone on with.
  var noted: [(kind: String, id: String)] {
    referenceIDs.map { ("app_user", $0.text) } + userIDs.map { ("user_id", $0.text) }
      + sessions.map { ("session", $0.text) }
      + attempts.map { ("attempt", $0.text) } + terraSessions.map { ("terra_session", $0.text) }
      + events.map { ("event", $0.text) } + callbacks.map { ("callback", $0.text) }
      + receipts.map { ("receipt", $0.text) }
  }

  /// What nothing may be written about any more.
  var fenced: [ErasedSubject] {
    userIDs.map { .userID($0.text) } + sessions.map(ErasedSubject.session)
      + attemptHashes.map(ErasedSubject.attempt)
      + terraSessions.map { .terraSession($0.text) }
  }

  /// The hashes of the tokens, as they are stored.
  var attemptHashes: [[UInt8]] { attempts.compactMap { Self.bytes(ofHex: $0.text) } }

  private static func bytes(ofHex text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).reduce(into: [UInt8]?([])) { bytes, index in
      guard let byte = UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) else {
        bytes = nil
        return
      }
      bytes?.append(byte)
    }
  }

  /// Takes in one thing that was noted.
  mutating func take(noted kind: String, _ id: String) {
    let uuid = UUID(uuidString: id)
    switch kind {
    case "app_user": referenceIDs.insert(ExactText(id))
    case "user_id": userIDs.insert(ExactText(id))
    case "session": if let uuid { sessions.insert(uuid) }
    case "attempt": attempts.insert(ExactText(id))
    case "terra_session": terraSessions.insert(ExactText(id))
    case "event": if let uuid { events.insert(uuid) }
    case "callback": if let uuid { callbacks.insert(uuid) }
    case "receipt": if let uuid { receipts.insert(uuid) }
    default: break
    }
  }
}

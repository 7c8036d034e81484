/// Finds out what a webhook is about while its body streams by, in memory that does not grow with the body.
///
/// It looks only at the members `type`, `status`, `user`, `new_user` and `data` of the document, and at `user_id` in
/// the two users, wherever they stand; of a repeated name the last counts. How the body is split into chunks makes no
/// difference.
public struct EventSniffer: Sendable {
  /// The most bytes, escapes included, of a string that is kept; a longer one counts as not readable.
  public static let maximumStringBytes = 4_096

  private enum RootMember { case type, status, user, newUser, data, other }
  private enum StringRole { case skipped, rootName, userMemberName, type, status, userID }

  private var depth = 0
  private var hasBegun = false
  private var isObject = false
  private var isComplete = false
  private var hasRest = false

  /// Whether the next string of the object in view is the name of a member.
  private var expectsName = false
  private var rootMember = RootMember.other
  private var isInUser = false
  private var isUserIDNext = false

  private var isInString = false
  private var isEscaped = false
  private var role = StringRole.skipped
  private var kept: [UInt8] = []
  private var isTooLong = false

  private var type: String?
  private var status: String?
  private var userID: String?
  private var newUserID: String?
  private var hasUser = false
  private var hasNewUser = false
  private var hasData = false

  /// A sniffer that has seen nothing yet.
  public init() {}

  /// Takes the next bytes of the body.
  public mutating func feed(_ bytes: some Sequence<UInt8>) {
    let wasContiguous: Void? = bytes.withContiguousStorageIfAvailable { scan($0) }
    if wasContiguous == nil { Array(bytes).withUnsafeBufferPointer { scan($0) } }
  }

  /// What has been found so far; final once the whole body was fed.
  public func finish() -> SniffedEvent {
    SniffedEvent(
      type: type, status: status, userID: userID ?? newUserID, hasUser: hasUser || hasNewUser, hasData: hasData,
      isComplete: isComplete && !hasRest)
  }

  private mutating func scan(_ bytes: UnsafeBufferPointer<UInt8>) {
    var index = 0
    while index < bytes.count {
      if isInString, role == .skipped, !isEscaped {
        // Nearly all of a large body is strings and numbers that nobody looks at.
        while index < bytes.count, bytes[index] != UInt8(ascii: "\""), bytes[index] != UInt8(ascii: "\\") {
          index += 1
        }
        guard index < bytes.count else { return }
      }
      step(bytes[index])
      index += 1
    }
  }

  private mutating func step(_ byte: UInt8) {
    if isInString {
      stepInString(byte)
      return
    }
    switch byte {
    case UInt8(ascii: "\""): beginString()
    case UInt8(ascii: "{"), UInt8(ascii: "["): open(byte)
    case UInt8(ascii: "}"), UInt8(ascii: "]"): close()
    case UInt8(ascii: ","): if isInView { expectsName = true }
    case UInt8(ascii: ":"): if isInView { expectsName = false }
    case 0x20, 0x09, 0x0A, 0x0D: break
    default: noteOther()
    }
  }

  /// Whether the innermost open container is the document or one of its two users.
  private var isInView: Bool {
    isObject && !isComplete && (depth == 1 || (depth == 2 && isInUser))
  }

  private mutating func noteOther() {
    if isComplete { hasRest = true }
    hasBegun = true
  }

  private mutating func open(_ byte: UInt8) {
    if isComplete { hasRest = true }
    let opensObject = byte == UInt8(ascii: "{")
    if depth == 0, !hasBegun {
      isObject = opensObject
      expectsName = true
    } else if depth == 1, isObject, opensObject, !expectsName, rootMember == .user || rootMember == .newUser {
      isInUser = true
      isUserIDNext = false
      expectsName = true
      if rootMember == .user { hasUser = true } else { hasNewUser = true }
    }
    hasBegun = true
    depth += 1
  }

  private mutating func close() {
    guard depth > 0 else {
      noteOther()
      return
    }
    depth -= 1
    if depth == 1 {
      isInUser = false
      expectsName = false
    }
    if depth == 0, isObject { isComplete = true }
  }

  private mutating func beginString() {
    if depth == 0 { noteOther() }
    isInString = true
    kept.removeAll(keepingCapacity: true)
    isTooLong = false
    role = .skipped
    guard isInView else { return }
    switch (depth, expectsName) {
    case (1, true): role = .rootName
    case (1, false) where rootMember == .type: role = .type
    case (1, false) where rootMember == .status: role = .status
    case (2, true): role = .userMemberName
    case (2, false) where isUserIDNext: role = .userID
    default: break
    }
  }

  private mutating func stepInString(_ byte: UInt8) {
    if !isEscaped, byte == UInt8(ascii: "\"") {
      isInString = false
      endString()
      return
    }
    isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
    guard role != .skipped, !isTooLong else { return }
    if kept.count < Self.maximumStringBytes {
      kept.append(byte)
    } else {
      isTooLong = true
    }
  }

  private mutating func endString() {
    guard role != .skipped else { return }
    let text = isTooLong ? nil : JSONString.text(ofRaw: kept)
    switch role {
    case .skipped: break
    case .rootName: beginRootMember(text)
    case .userMemberName:
      isUserIDNext = text == "user_id"
      if isUserIDNext { setUserID(nil) }
    case .type: type = text
    case .status: status = text
    case .userID: setUserID(text)
    }
  }

  private mutating func beginRootMember(_ name: String?) {
    switch name {
    case "type": (rootMember, type) = (.type, nil)
    case "status": (rootMember, status) = (.status, nil)
    case "user": (rootMember, userID, hasUser) = (.user, nil, false)
    case "new_user": (rootMember, newUserID, hasNewUser) = (.newUser, nil, false)
    case "data": (rootMember, hasData) = (.data, true)
    default: rootMember = .other
    }
  }

  private mutating func setUserID(_ text: String?) {
    if rootMember == .user { userID = text } else { newUserID = text }
  }
}

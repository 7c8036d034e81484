import RegistryModel

/// A fact of the reference model: what it says, and its place in time.
struct ModelFact: Sendable, Hashable {
  enum Kind: String, Sendable, Hashable, CaseIterable {
    case auth, degraded, permission, failed, revoked, deauthenticated, superseded, foundAlive, foundGone, data

    /// The nine kinds of the reference model; data was added to the design after it.
    static let reference = allCases.filter { $0 != .data }
  }

  let instant: Int64
  let kind: Kind

  var evidence: Evidence {
    switch kind {
    case .auth: .auth
    case .degraded: .connectionError
    case .permission: .permissionChange
    case .failed: .failure
    case .revoked: .revoked
    case .deauthenticated: .deauthenticated
    case .superseded: .superseded(by: "new-\(instant)")
    case .foundAlive: .correction(.alive)
    case .foundGone: .correction(.gone)
    case .data: .data
    }
  }

  /// The registers that the fact fills; instants are whole minutes, so that those of data are not moved.
  var registers: ConnectionRegisters {
    ConnectionFact(
      userID: "u", evidence: evidence, at: Instant(secondsSince1970: instant * 60), factID: "\(instant)"
    ).registers
  }
}

/// The rules of the domain over the facts sorted by time, written as the sorted fold of the reference model: a second
/// opinion that shares no code with the registers.
func sortedFold(_ facts: [ModelFact]) -> ConnectionStatus {
  let rankOfEnding: [ModelFact.Kind: Int] = [.revoked: 1, .deauthenticated: 2, .superseded: 3]
  var ending = 0
  var isGone = false
  var isAlive = false
  var wasAlive = false
  var hasFailed = false
  var isDegraded = false
  for fact in facts.sorted(by: { $0.instant < $1.instant }) {
    switch fact.kind {
    case .foundAlive: (ending, isGone, isAlive, hasFailed) = (0, false, true, false)
    case .foundGone: (ending, isGone, hasFailed) = (0, true, false)
    case .revoked, .deauthenticated, .superseded: ending = max(ending, rankOfEnding[fact.kind] ?? 0)
    case .failed: hasFailed = true
    case .data: isDegraded = false
    case .auth, .degraded, .permission:
      (isAlive, wasAlive) = (true, true)
      if fact.kind == .auth { isDegraded = false }
      if fact.kind == .degraded { isDegraded = true }
    }
  }
  switch ending {
  case 1: return .revoked
  case 2: return .deauthenticated
  case 3: return .superseded
  default: break
  }
  if isGone { return wasAlive ? .revoked : .failed }
  if isAlive { return isDegraded ? .degraded : .active }
  return hasFailed ? .failed : .pending
}

/// All sequences of `count` elements of `elements`, one after the other.
func forEachSequence<Element>(of elements: [Element], count: Int, _ body: ([Element]) -> Void) {
  var indices = [Int](repeating: 0, count: count)
  while true {
    body(indices.map { elements[$0] })
    var position = count - 1
    while position >= 0, indices[position] == elements.count - 1 {
      indices[position] = 0
      position -= 1
    }
    guard position >= 0 else { return }
    indices[position] += 1
  }
}

/// All orders of the indices 0 ..< count.
func permutations(of count: Int) -> [[Int]] {
  guard count > 0 else { return [[]] }
  return permutations(of: count - 1).flatMap { shorter in
    (0...shorter.count).map { position in
      var longer = shorter
      longer.insert(count - 1, at: position)
      return longer
    }
  }
}

import Crypto
import Foundation

/// How an attempt was begun at Terra.
public enum AttemptKind: String, Sendable, Hashable, CaseIterable, Codable {
  /// By `authenticateUser`: one provider, a `user_id` in advance.
  case direct
  /// By a widget session: the person picks the provider.
  case widget
}

/// What will go wrong with one attempt, and the source of its further draws.
///
/// A plan is a pure function of the seed, the tenant, the `reference_id` and how many attempts that app user has made
/// before. So it does not depend on what else happens at the same time.
public struct AttemptPlan: Sendable, Hashable {
  /// The faults, at most one of each group, in the order of ``SandboxFault/allCases``.
  public let faults: [SandboxFault]
  private let identity: [UInt8]

  /// Decides an attempt.
  ///
  /// - Parameters:
  ///   - settings: seed and rates.
  ///   - tenant: the slug of the environment.
  ///   - referenceID: the app user; nil where the attempt names none.
  ///   - ordinal: how many attempts this app user has made before in this environment.
  ///   - kind: how the attempt was begun; a fault that the kind cannot have is left out.
  public init(
    settings: FaultSettings, tenant: String, referenceID: String?, ordinal: Int, kind: AttemptKind
  ) {
    let parts = [String(settings.seed), tenant, referenceID.map { "=" + $0 } ?? "", String(ordinal)]
    // Lengths keep ("a", "bc") and ("ab", "c") apart.
    let identity = parts.flatMap { part in Array("\(part.utf8.count):\(part)".utf8) }
    self.identity = identity
    let possible = SandboxFault.allCases.filter { kind == .widget || $0 != .mobileHandover }
    guard settings.combines else {
      var rest = Self.draw("fault", identity)
      var chosen: SandboxFault?
      // The impossible ones keep their share of the draw, so that a direct attempt's other faults are no likelier.
      for fault in SandboxFault.allCases {
        let rate = settings.rates[fault] ?? 0
        if rest < rate {
          chosen = fault
          break
        }
        rest -= rate
      }
      self.faults = chosen.map { possible.contains($0) ? [$0] : [] } ?? []
      return
    }
    var byGroup: [SandboxFault.Group: SandboxFault] = [:]
    for fault in possible where byGroup[fault.group] == nil {
      if Self.draw("fault.\(fault.rawValue)", identity) < settings.rates[fault] ?? 0 { byGroup[fault.group] = fault }
    }
    if let decision = byGroup[.person] {
      self.faults = [decision]
    } else {
      self.faults = possible.filter { byGroup[$0.group] == $0 }
    }
  }

  /// Whether the attempt has a fault.
  public func has(_ fault: SandboxFault) -> Bool { self.faults.contains(fault) }

  /// The fault of a group, if there is one.
  public func fault(in group: SandboxFault.Group) -> SandboxFault? { self.faults.first { $0.group == group } }

  /// The faults' names joined by `+`; nil where there is none.
  public var name: String? {
    self.faults.isEmpty ? nil : self.faults.map(\.rawValue).joined(separator: "+")
  }

  /// A number of this attempt for a purpose, always the same one.
  ///
  /// - Parameter purpose: what the number decides.
  /// - Returns: a number in 0 ..< 1.
  public func draw(_ purpose: String) -> Double { Self.draw(purpose, self.identity) }

  /// One of several values, always the same one for a purpose.
  func choose<Value>(_ purpose: String, from values: [Value]) -> Value? {
    guard !values.isEmpty else { return nil }
    return values[min(values.count - 1, Int(self.draw(purpose) * Double(values.count)))]
  }

  private static func draw(_ purpose: String, _ identity: [UInt8]) -> Double {
    var hash = SHA256()
    hash.update(data: identity)
    hash.update(data: Array(purpose.utf8))
    let bits = hash.finalize().prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Double(bits >> 11) * 0x1p-53
  }
}

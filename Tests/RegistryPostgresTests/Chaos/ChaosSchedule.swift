import TestRandom
import RegistryPostgres

/// What one caller does.
struct ChaosOperation: Sendable, CustomStringConvertible {
  enum Work: Sendable, CaseIterable {
    case echo, slowEcho, largeResult, largeParameter
    case write, batch, failingStatement, failingBatch, hotRows
    /// On a lane where the caller allows repetition.
    case writeOnce
    /// Transactions of a closure, on pools; lanes run a batch instead.
    case transaction, abandonedTransaction, failingTransaction, severalStatements
  }

  var token: Int
  /// Which pool or lane.
  var place: Int
  var work: Work
  var isNamed: Bool
  /// `nil` sets no tenant.
  var tenant: String?
  /// In microseconds.
  var deadline: Int?
  /// After how many turns of the scheduler its task is cancelled.
  var cancel: Int?
  /// After how many turns of the scheduler it begins.
  var start: Int
  /// For hot rows: which ones, in which order.
  var keys: [Int]

  var description: String {
    "\(token % 64): \(work)\(isNamed ? " named" : "") at \(place) after \(start)"
      + (deadline.map { ", deadline \($0) µs" } ?? "") + (cancel.map { ", cancel \($0)" } ?? "")
      + (tenant.map { ", tenant \($0)" } ?? "")
  }
}

/// What is done to the callers' connections. Numbers pick among those that are there; waits are counted in round trips
/// to the server outside the proxy.
enum ChaosHarm: Sendable {
  case terminate(Int)
  case cancelBackend(Int)
  case cut(link: Int, Fault)
  case hold(link: Int, Fault.Direction, roundTrips: Int)
  case split(link: Int, Fault.Direction, ProxyStream.Flow)
  case refuseClients(roundTrips: Int)
  case dropCancelRequests
  case holdCancelRequests(roundTrips: Int)
}

/// A small number of callers and of harms, all of it out of one seed.
struct ChaosSchedule: Sendable, CustomStringConvertible {
  let seed: UInt64
  var operations: [ChaosOperation] = []
  var harms: [(after: Int, harm: ChaosHarm)] = []

  /// - Parameters:
  ///   - seed: repeats the schedule.
  ///   - firstToken: its operations have the tokens from here on; there are fewer than 64.
  ///   - places: how many pools and lanes there are.
  init(seed: UInt64, firstToken: Int, places: Int) {
    self.seed = seed
    var random = SeededGenerator(seed: seed)
    // Many at one place meet each other; some schedules are spread over all.
    let only = Bool.random(using: &random) ? Int.random(in: 0..<places, using: &random) : nil
    for offset in 0..<Int.random(in: 5...30, using: &random) {
      let place = only ?? Int.random(in: 0..<places, using: &random)
      operations.append(Self.operation(firstToken + offset, place, &random))
    }
    guard !Int.random(in: 0..<4, using: &random).isMultiple(of: 4) else { return }
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      harms.append((Int.random(in: 0..<12, using: &random), Self.harm(&random)))
    }
  }

  private static func operation(_ token: Int, _ place: Int, _ random: inout SeededGenerator) -> ChaosOperation {
    let works = ChaosOperation.Work.allCases
    var work = works[Int.random(in: 0..<works.count, using: &random)]
    // Large ones cost more than the others.
    if work == .largeResult || work == .largeParameter, Int.random(in: 0..<4, using: &random) > 0 { work = .echo }
    let fate = Int.random(in: 0..<10, using: &random)
    return ChaosOperation(
      token: token, place: place, work: work, isNamed: Bool.random(using: &random),
      tenant: [nil, "t1", "t2", "t\(token)"][Int.random(in: 0..<4, using: &random)],
      deadline: fate < 2 ? Int.random(in: 0..<8_000, using: &random) : nil,
      cancel: fate == 2 || fate == 3 ? Int.random(in: 0..<40, using: &random) : nil,
      start: Int.random(in: 0..<20, using: &random), keys: [1, 2, 3].shuffled(using: &random))
  }

  private static func harm(_ random: inout SeededGenerator) -> ChaosHarm {
    let number = Int.random(in: 0..<64, using: &random)
    let roundTrips = Int.random(in: 1...8, using: &random)
    let direction = Bool.random(using: &random) ? Fault.Direction.toServer : .toClient
    switch Int.random(in: 0..<16, using: &random) {
    case 0, 1: return .terminate(number)
    case 2, 3: return .cancelBackend(number)
    case 4...10:
      let manners = Fault.Manner.allCases
      let point =
        Bool.random(using: &random)
        ? ProxyStream.Point.messages(Int.random(in: 0..<16, using: &random))
        : .bytes(Int.random(in: 0..<600, using: &random))
      let fault = Fault(
        direction: direction, point: point, manner: manners[Int.random(in: 0..<manners.count, using: &random)])
      return .cut(link: number, fault)
    case 11: return .hold(link: number, direction, roundTrips: roundTrips)
    case 12: return .split(link: number, direction, [.chunks(1), .chunks(5), .joined][number % 3])
    case 13: return .refuseClients(roundTrips: roundTrips)
    case 14: return .dropCancelRequests
    default: return .holdCancelRequests(roundTrips: roundTrips)
    }
  }

  /// Whether something of this kind is done, so that callers may see its error.
  func has(_ isIt: (ChaosHarm) -> Bool) -> Bool { harms.contains { isIt($0.harm) } }

  var losesConnections: Bool {
    has {
      switch $0 {
      case .terminate, .cut, .refuseClients: true
      default: false
      }
    }
  }

  var cancelsStatements: Bool { has { if case .cancelBackend = $0 { true } else { false } } }

  var description: String {
    "REGISTRY_TEST_SEED=\(seed)\n" + operations.map { "  \($0)\n" }.joined()
      + harms.map { "  harm after \($0.after) round trips: \($0.harm)\n" }.joined()
  }
}

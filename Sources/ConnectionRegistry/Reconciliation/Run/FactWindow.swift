import Foundation
import RegistryPostgres
import RegistrySQL

/// The facts that were recorded from one moment to another, and the statements that collect whom they are about.
///
/// A run since the last one collects everybody. A run over everything screens: joins of whole windows leave out what is
/// plain, and only the rest is examined one by one, so that it costs little more than the joins. What disagrees however far
/// apart it lies in time, ``IndexScreening`` looks for.
struct FactWindow: Sendable {
  let tenantID: UUID
  let runID: UUID
  /// Nil is the beginning.
  let start: Date?
  let end: Date
  /// Whether no window follows, so that what does not hang on a window's facts is collected with it.
  let isLast: Bool

  /// How much memory each join of a screening may take on the server before it goes to disk, in MiB.
  static let screeningMemory = 64
  /// How long screening a window shall take, in seconds.
  static let screeningTarget = 2.0
  /// The first window, in seconds of history.
  static let firstScreened = 86_400.0
  /// How many statements screen a window, and how many of them at a time.
  static let sides = 12
  static let sidesAtOnce = 2
  /// Into how many stretches a window is parted, and how long the shortest is, in seconds.
  static let mostStretches = 144
  static let leastStretch = 14_400.0
  /// How far outside of a stretch somebody's other half may lie, in seconds: most people are back within minutes.
  static let nearness = 600.0

  /// How large a run's windows are: one over everything begins with what is screened in a moment, any other with its whole.
  ///
  /// - Parameters:
  ///   - start: from when on facts are examined; nil is from the beginning.
  ///   - end: until when.
  /// - Returns: the pace of the first window.
  static func pace(from start: Date?, to end: Date) -> SlicePace {
    guard let start else {
      return SlicePace(size: firstScreened, bounds: 0.001...1e10, target: screeningTarget, growth: 16)
    }
    return SlicePace(
      size: end.timeIntervalSince(start), bounds: 0.001...1e10, target: ReconciliationWork.stepTarget)
  }

  private var id: PostgresParameter { .uuid(tenantID) }
  private var run: PostgresParameter { .uuid(runID) }
  private var from: PostgresParameter { .timestamp(start) }
  private var to: PostgresParameter { .timestamp(end) }

  /// Collects everybody whom the window's events, callbacks, sessions and connections are about.
  var facts: [BoundStatement] {
    [
      RegistryStatements.reconciliationCollectSessions(id, run, from, to),
      RegistryStatements.reconciliationCollectConnections(id, run, from, to),
      RegistryStatements.reconciliationCollectAttempts(id, run, from, to),
      RegistryStatements.reconciliationCollectAccepted(id, run, from, to),
      RegistryStatements.reconciliationCollectReopened(id, run, from, to),
    ].map(\.plannedAnew)
  }

  /// Collects what is not plain.
  ///
  /// - Parameters:
  ///   - grace: how long an event may take to arrive, in seconds.
  ///   - middle: where the facts lie; the first and the last stretch reach to the window's ends.
  /// - Returns: statements that may go side by side.
  func screen(grace: Double, middle: ClosedRange<Date>) -> [BoundStatement] {
    let length = middle.upperBound.timeIntervalSince(middle.lowerBound)
    let count = max(1, min(Self.mostStretches, Int(length / Self.leastStretch)))
    let sides = min(Self.sides, count)
    var edges = (0...count).map { middle.lowerBound.addingTimeInterval(length * Double($0) / Double(count)) }
    (edges[0], edges[count]) = (start ?? .distantPast, end)
    return (0..<sides).map { side in
      let own = edges[(side * count / sides)...((side + 1) * count / sides)]
      return RegistryStatements.screenFacts(
        id, run, .timestampArray(own.dropLast()), .timestampArray(Array(own.dropFirst())), .double(grace),
        .double(Self.nearness)
      ).plannedAnew
    }
  }

  /// Collects a part of what stands, for a run since the last one, and notes where the next run goes on.
  static func standing(of tenantID: UUID, runID: UUID, size: Int) -> [BoundStatement] {
    let (id, run) = (PostgresParameter.uuid(tenantID), PostgresParameter.uuid(runID))
    return [
      RegistryStatements.reconciliationCollectStandingPart(id, run, .int(size)).plannedAnew,
      RegistryStatements.reconciliationStandingPlace(id, run, .int(size)).plannedAnew,
    ]
  }

  /// Collects what is few.
  var rest: [BoundStatement] {
    var statements = [
      RegistryStatements.reconciliationCollectReceipts(id, run, from, to),
      RegistryStatements.reconciliationCollectMerged(id, run, from, to),
      RegistryStatements.reconciliationCollectListing(id, run, from, to),
    ]
    if isLast { statements.append(RegistryStatements.reconciliationCollectTenant(id, run)) }
    return statements.map(\.plannedAnew)
  }
}

import Foundation
import RegistryPostgres
import RegistrySQL

/// Goes through an index of a tenant, as a whole or part by part, and collects what disagrees with itself however far apart
/// it lies in time. A process that takes the run over begins again, which costs time only.
struct IndexScreening: Sendable {
  /// What is gone through.
  enum Order: CaseIterable, Sendable {
    /// The connections by app user: who has several live ones at one resource.
    case appUsers
    /// The events by connection: which have several that may disagree.
    case events
  }

  let order: Order
  let tenantID: UUID
  let runID: UUID
  /// The first app user or connection of the next part.
  private(set) var start = ""
  /// Whether no part follows.
  private(set) var isDone = false
  /// Whether the whole takes too long for one statement.
  private(set) var isParted = false

  /// About how many rows a part has.
  let partSize: Int

  /// All that there are, each at its beginning.
  static func all(partSize: Int, tenantID: UUID, runID: UUID) -> [IndexScreening] {
    Order.allCases.map { IndexScreening($0, partSize: partSize, tenantID: tenantID, runID: runID) }
  }

  init(_ order: Order, partSize: Int, tenantID: UUID, runID: UUID) {
    self.order = order
    self.partSize = partSize
    self.tenantID = tenantID
    self.runID = runID
  }

  private var id: PostgresParameter { .uuid(tenantID) }
  private var run: PostgresParameter { .uuid(runID) }

  /// Asks where the next part ends.
  var end: BoundStatement {
    let size = PostgresParameter.int(partSize)
    let statement =
      switch order {
      case .appUsers: RegistryStatements.screenDuplicatesEnd(id, run, .text(start), size)
      case .events: RegistryStatements.screenRepeatedEnd(id, run, .text(start), size)
      }
    return statement.plannedAnew
  }

  /// Collects of the next part.
  ///
  /// - Parameter end: the first app user or connection that is not of it; nil where everything else is.
  /// - Returns: the statement.
  func collect(before end: String?) -> BoundStatement {
    let statement =
      switch order {
      case .appUsers: RegistryStatements.screenDuplicates(id, run, .text(start), .text(end))
      case .events: RegistryStatements.screenRepeated(id, run, .text(start), .text(end))
      }
    return statement.plannedAnew
  }

  /// Where the next part ends, as ``end`` was answered.
  ///
  /// - Parameter result: the answer.
  /// - Returns: the first app user or connection that is not of it; nil where everything else is.
  /// - Throws: an error of the driver where the row cannot be read.
  static func next(_ result: PostgresResult?) throws -> String? {
    try result?.rows.first?.decodeIfPresent("subject", as: String.self)
  }

  /// Goes on part by part, because the whole takes too long.
  mutating func part() { isParted = true }

  /// Goes on to the part after.
  ///
  /// - Parameter end: the first app user or connection of it; nil where there is none.
  mutating func goOn(to end: String?) {
    if let end { start = end } else { isDone = true }
  }
}

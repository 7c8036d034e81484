import Foundation
import RegistryPostgres
import RegistrySQL

/// Whom the last listings differ in, collected by slices: that may be everybody.
///
/// A listing that was finished in the run's window is compared anew, with what stands; otherwise who differs since then is
/// looked at.
struct ListingSubjects: Sendable {
  let tenantID: UUID
  let runID: UUID
  /// When the run's window begins, widened by the grace; nil is the beginning.
  let start: Date?

  private var id: PostgresParameter { .uuid(tenantID) }

  /// Says, as `until`, where the slice after an id ends that holds so many; NULL is the end of all.
  func end(after: PostgresParameter, size: PostgresParameter) -> BoundStatement {
    RegistryStatements.reconciliationDifferenceSlice(id, after, size).plannedAnew
  }

  /// Collects a slice.
  func collect(after: PostgresParameter, until: PostgresParameter) -> BoundStatement {
    RegistryStatements.reconciliationCollectDifferences(
      id, .uuid(runID), after, until, .timestamp(start)
    ).plannedAnew
  }
}

import Foundation
import RegistryPostgres
import RegistrySQL

/// Holds a listing that was read to its end against the connections, by slices of their ids: none of its statements grows with
/// the tenant, so that none takes longer than a call may, and each renews the lease of the run. What a slice has done may be done
/// again, by whoever goes on.
struct ListingComparison: Sendable {
  let tenantID: UUID
  let listing: UUID
  /// With how many ids a slice begins.
  let slice: Int
  /// Runs statements of the tenant as one transaction.
  let run: @Sendable ([BoundStatement]) async throws -> [PostgresResult]

  private var id: PostgresParameter { .uuid(tenantID) }

  /// Counts what decides whether absence from the listing may count.
  func assess() async throws -> ListingAssessment {
    var sum: ListingAssessment?
    try await inSlices { after, until in
      let results = try await run([
        RegistryStatements.providerListingAssess(id, .uuid(listing), after, until).plannedAnew
      ])
      guard let row = results.first?.rows.first else { throw RegistryError.notFound("listing") }
      let part = try ListingAssessment(row: row)
      sum = sum.map { $0 + part } ?? part
    }
    guard let sum else { throw RegistryError.notFound("listing") }
    return sum
  }

  /// Notes the ids about which the listing and the connections differ.
  func collect() async throws {
    try await inSlices { after, until in
      _ = try await run([RegistryStatements.providerDifferenceCollect(id, .uuid(listing), after, until).plannedAnew])
    }
  }

  private func inSlices(_ body: (PostgresParameter, PostgresParameter) async throws -> Void) async throws {
    try await IDSlices(slice: slice, run: run).each(
      ending: { after, size in
        RegistryStatements.providerListingSlice(id, .uuid(listing), after, size, .bool(true))
      }, body)
  }
}

import Foundation
import RegistryPostgres
import RegistrySQL

/// What is left of listings that nobody needs any more: the users they held, and what they differed in. It may be taken out at
/// any time, and again by whoever goes on.
struct OldListings: Sendable {
  let tenantID: UUID
  /// With how many ids a slice begins.
  var slice = RunLimits().listingSlice
  /// Runs statements of the tenant as one transaction.
  let run: @Sendable ([BoundStatement]) async throws -> [PostgresResult]

  private var id: PostgresParameter { .uuid(tenantID) }

  /// Takes it out.
  func forget() async throws {
    let slices = IDSlices(slice: slice, run: run)
    for old in try await listings(RegistryStatements.providerDifferenceForgettable(id)) {
      try await slices.each(
        ending: { RegistryStatements.providerDifferenceSlice(id, .uuid(old), $0, $1) }
      ) { after, until in
        _ = try await run([RegistryStatements.providerDifferenceForget(id, .uuid(old), after, until).plannedAnew])
      }
    }
    for old in try await listings(RegistryStatements.providerListingForgettable(id)) {
      try await slices.each(
        ending: { RegistryStatements.providerListingSlice(id, .uuid(old), $0, $1, .bool(false)) }
      ) { after, until in
        _ = try await run([RegistryStatements.providerListingForgetUsers(id, .uuid(old), after, until).plannedAnew])
      }
    }
  }

  private func listings(_ statement: BoundStatement) async throws -> [UUID] {
    try await run([statement]).first?.rows.map { try $0.decode("listing_id") } ?? []
  }
}

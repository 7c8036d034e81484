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

  /// How many ids a slice has at most.
  static let largestSlice = 200_000

  private var id: PostgresParameter { .uuid(tenantID) }

  /// Counts what decides whether absence from the listing may count.
  func assess() async throws -> ListingAssessment {
    var sum: ListingAssessment?
    try await inSlices(of: listing, withConnections: true) { after, until in
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
    try await inSlices(of: listing, withConnections: true) { after, until in
      _ = try await run([RegistryStatements.providerDifferenceCollect(id, .uuid(listing), after, until).plannedAnew])
    }
  }

  /// Takes out the users of the listings that nobody needs any more.
  func forgetOthers() async throws {
    let results = try await run([RegistryStatements.providerListingForgettable(id)])
    for row in results.first?.rows.map({ $0 }) ?? [] {
      let old = try row.decode("listing_id", as: UUID.self)
      try await inSlices(of: old, withConnections: false) { after, until in
        _ = try await run([RegistryStatements.providerListingForgetUsers(id, .uuid(old), after, until).plannedAnew])
      }
    }
  }

  /// Goes through the ids, in their order.
  ///
  /// - Parameters:
  ///   - listing: whose users they are.
  ///   - withConnections: whether they are those of the connections, too.
  ///   - body: is given after which id a slice begins, and with which it ends; NULL is the end of all.
  /// - Throws: what `run` and `body` throw, `CancellationError`.
  private func inSlices(
    of listing: UUID, withConnections: Bool, _ body: (PostgresParameter, PostgresParameter) async throws -> Void
  ) async throws {
    var pace = SlicePace(
      size: Double(slice), bounds: Double(min(slice, 1_000))...Double(Self.largestSlice),
      target: ReconciliationWork.stepTarget)
    // No user_id is empty.
    var after = ""
    while true {
      try Task.checkCancellation()
      let begun = ContinuousClock.now
      let results = try await run([
        RegistryStatements.providerListingSlice(
          id, .uuid(listing), .text(after), .int(Int(pace.size)), .bool(withConnections)
        ).plannedAnew
      ])
      let until = try results.first?.rows.first?.decodeIfPresent("until", as: String.self)
      try await body(.text(after), .text(until))
      guard let until else { return }
      pace.note(done: pace.size, seconds: (ContinuousClock.now - begun).inSeconds)
      after = until
    }
  }
}

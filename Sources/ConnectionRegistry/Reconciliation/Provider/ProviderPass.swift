import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Reads Terra's listing of a tenant's connections into a snapshot, page by page, and goes on where it was interrupted.
struct ProviderPass: Sendable {
  let database: RegistryDatabase
  let tenant: Tenant
  let questions: TerraQuestions

  /// How a pass ended.
  enum Ending: Sendable {
    /// The listing is complete; what its differences are, and whether absence counts.
    case complete(UUID, ListingAssessment)
    /// It is not: why. What was read is kept for the next pass, unless it was given up.
    case incomplete(String)
  }

  /// What was read longer ago is not gone on with.
  static let freshness: Duration = .seconds(6 * 3600)
  /// More pages than this are no listing: 50 million connections.
  static let maximumPages = 100_000
  /// How many users are written by one statement; a listing that is not paged may come in one answer.
  static let chunk = 5_000

  private struct Reading {
    var id: UUID
    var page: Int
  }

  /// Reads the listing to its end.
  ///
  /// - Parameter progress: called after each page, so that the run keeps its lease.
  /// - Returns: how it ended; an error of Terra's is such an end and nothing else.
  /// - Throws: `database_unavailable`, `CancellationError`, and what `progress` throws.
  func read(progress: () async throws -> Void) async throws -> Ending {
    var reading = try await begin()
    while true {
      try Task.checkCancellation()
      guard reading.page < Self.maximumPages else {
        return try await giveUp(reading, "Terra's listing does not end: \(Self.maximumPages) pages were read.")
      }
      let asked = Date()
      let page: TerraSubscriptionPage
      do {
        page = try await questions.ask { try await $0.subscriptions(page: reading.page) }
      } catch let error as TerraAPIError {
        let reason = "Terra's listing could not be read beyond page \(reading.page): \(error)."
        guard !error.isRetryable, error.code != .unreadableReply else { return .incomplete(reason) }
        return try await giveUp(reading, reason)
      }
      if let next = page.nextPage, next != reading.page + 1 {
        return try await giveUp(reading, "Terra's listing goes from page \(reading.page) to page \(next).")
      }
      try await keep(page, asked: asked, of: reading)
      try await progress()
      guard page.nextPage != nil else { return try await complete(reading) }
      reading.page += 1
    }
  }

  private func begin() async throws -> Reading {
    let id = PostgresParameter.uuid(tenant.id)
    let row = try await database.run(
      tenant.id, RegistryStatements.providerListingUnderWay(id, .double(Self.freshness.inSeconds))
    ).rows.first
    if let row {
      let listing = try row.decode("listing_id", as: UUID.self)
      let page: Int = try row.decode("next_page")
      if try row.decode("is_fresh") { return Reading(id: listing, page: page) }
      _ = try await end(listing, "given_up", reason: "It was interrupted and not gone on with in time.")
    }
    let listing = UUID.version7()
    _ = try await database.run(
      tenant.id, RegistryStatements.providerListingInsert(id, .uuid(listing), .timestamp(Date())))
    return Reading(id: listing, page: 0)
  }

  private func keep(_ page: TerraSubscriptionPage, asked: Date, of reading: Reading) async throws {
    let (id, listing) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(reading.id))
    let entries = ListedUsers(page.users).entries
    var statements: [BoundStatement] = []
    for start in stride(from: 0, to: entries.count, by: Self.chunk) {
      let part = entries[start..<min(start + Self.chunk, entries.count)]
      statements.append(
        RegistryStatements.providerListingKeep(
          id, listing, .textArray(part.map(\.user.userID)), .textArray(part.map(\.user.referenceID)),
          .textArray(part.map { $0.user.resource?.rawValue }), .textArray(part.map(\.user.scopes)),
          .boolArray(part.map(\.user.isActive)), .boolArray(part.map(\.isConflicting)), .timestamp(asked)))
    }
    statements.append(
      RegistryStatements.providerListingAdvance(
        id, listing, .int(reading.page), .int(reading.page + 1), .timestamp(asked)))
    _ = try await database.run(tenant.id, statements)
  }

  private func complete(_ reading: Reading) async throws -> Ending {
    let (id, listing) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(reading.id))
    let results = try await database.run(
      tenant.id, compiles: false, [RegistryStatements.providerListingAssess(id, listing).plannedAnew])
    guard let row = results.first?.rows.first else { throw RegistryError.notFound("listing") }
    let assessment = ListingAssessment(
      listed: try row.decode("listed"), live: try row.decode("live"), confirmed: try row.decode("confirmed"),
      absentOnce: try row.decode("absent_once"), absentTwice: try row.decode("absent_twice"),
      listingsBefore: try row.decode("listings_before"))
    if assessment.doubt == .nothingConfirmed {
      // A listing of strangers must not become what the next one is compared with.
      return try await giveUp(reading, ListingAssessment.Doubt.nothingConfirmed.sentence)
    }
    _ = try await database.run(
      tenant.id, compiles: false,
      [
        RegistryStatements.providerListingEnd(id, listing, .text("complete"), .text(assessment.doubt?.sentence)),
        RegistryStatements.providerDifferenceCollect(id, listing).plannedAnew,
        RegistryStatements.providerDifferenceForget(id), RegistryStatements.providerListingForgetUsers(id),
      ])
    return .complete(reading.id, assessment)
  }

  private func giveUp(_ reading: Reading, _ reason: String) async throws -> Ending {
    _ = try await end(reading.id, "given_up", reason: reason)
    return .incomplete(reason)
  }

  private func end(_ listing: UUID, _ outcome: String, reason: String) async throws -> PostgresResult {
    try await database.run(
      tenant.id,
      RegistryStatements.providerListingEnd(.uuid(tenant.id), .uuid(listing), .text(outcome), .text(reason)))
  }
}

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
  /// The run that reads; nil where none does.
  var runID: UUID?
  /// With how many ids a slice begins when a whole listing is held against the connections.
  var slice = RunLimits().listingSlice
  /// Runs statements of the tenant as one transaction; nil is by themselves. Whoever holds a run renews its lease with each,
  /// and none takes effect once another has taken the run over.
  var transaction: (@Sendable ([BoundStatement]) async throws -> [PostgresResult])?

  /// How a pass ended.
  enum Ending: Sendable {
    /// The listing is complete; what its differences are, and whether absence counts.
    case complete(UUID, ListingAssessment)
    /// It is not: why. What was read is kept for the next pass, unless it was given up.
    case incomplete(String)
    /// The run's listing was ended before, by a process that could not say so any more: whether it is complete, and what
    /// there is to say about it.
    case endedBefore(isComplete: Bool, String?)
  }

  /// What was read longer ago is not gone on with.
  static let freshness: Duration = .seconds(6 * 3600)
  /// More pages than this are no listing: 50 million connections.
  static let maximumPages = 100_000
  /// How many users are written by one statement; a listing that is not paged may come in one answer.
  static let chunk = 5_000

  /// A page of a listing that is not kept yet, and the moment before it was asked for.
  struct Page: Sendable {
    var content: TerraSubscriptionPage
    var asked: Date
  }

  /// Why a listing is not whole.
  struct Fault: Error {
    let reason: String
  }

  private struct Reading {
    var id: UUID
    var page: Int
    /// The moment before the page is asked for, by the server's clock: all that is recorded is dated by it, and a process's
    /// own may be wrong.
    var asked: Date
  }

  private enum Beginning {
    case reading(Reading)
    case ended(Ending)
  }

  /// Reads the next page, from where this or another process stopped.
  ///
  /// - Returns: how the listing ended; nil while there are more pages.
  /// - Throws: `database_unavailable`, `CancellationError`.
  func step() async throws -> Ending? {
    let reading: Reading
    switch try await begin() {
    case .ended(let ending): return ending
    case .reading(let begun): reading = begun
    }
    try Task.checkCancellation()
    guard reading.page < Self.maximumPages else {
      return try await giveUp(reading, "Terra's listing does not end: \(Self.maximumPages) pages were read.")
    }
    let page: TerraSubscriptionPage
    do {
      page = try await questions.ask { try await $0.subscriptions(page: reading.page) }
    } catch let error as TerraAPIError {
      let reason = Self.reason(error, page: reading.page)
      guard !error.isRetryable, error.code != .unreadableReply else { return .incomplete(reason) }
      return try await giveUp(reading, reason)
    } catch let error as RegistryError where error.code == .secretUnreadable {
      // Another process may have the key: what was read is kept for it.
      return .incomplete(unasked(error))
    }
    if let fault = Self.fault(of: page, reading.page) { return try await giveUp(reading, fault) }
    try await keep(page, of: reading)
    return page.nextPage == nil ? try await complete(reading) : nil
  }

  /// Why the listing is not read beyond a page, in sentences for a person.
  private static func reason(_ error: TerraAPIError, page: Int) -> String {
    let reason = "Terra's listing could not be read beyond page \(page): \(error)."
    guard error.code == .replyTooLarge else { return reason }
    let limit = TerraClient.Configuration.defaultMaximumReplyBytes >> 20
    return reason + " One answer may have \(limit) MiB, and Terra has put more into it: nothing of it was taken in."
  }

  /// Why a page cannot be that page of a listing; nil where it can.
  private static func fault(of page: TerraSubscriptionPage, _ number: Int) -> String? {
    if let next = page.nextPage, next != number + 1 {
      return "Terra's listing goes from page \(number) to page \(next)."
    }
    if page.nextPage == nil, let last = page.maximumPage, last > number {
      return "Terra's listing ends with page \(number) and says that page \(last) is the last one."
    }
    return nil
  }

  /// Reads the listing to its end and keeps nothing of it.
  ///
  /// - Returns: its pages, or why it is not whole.
  /// - Throws: `CancellationError`.
  func pages() async throws -> Result<[Page], Fault> {
    var pages: [Page] = []
    while pages.count < Self.maximumPages {
      let number = pages.count
      let asked = try await underWay().decode("at", as: Date.self)
      do {
        let page = try await questions.ask { try await $0.subscriptions(page: number) }
        if let fault = Self.fault(of: page, number) { return .failure(Fault(reason: fault)) }
        pages.append(Page(content: page, asked: asked))
        if page.nextPage == nil { return .success(pages) }
      } catch let error as TerraAPIError {
        return .failure(Fault(reason: Self.reason(error, page: number)))
      } catch let error as RegistryError where error.code == .secretUnreadable {
        return .failure(Fault(reason: unasked(error)))
      }
    }
    return .failure(Fault(reason: "Terra's listing does not end: \(Self.maximumPages) pages were read."))
  }

  private func unasked(_ error: RegistryError) -> String {
    tenant.remark("Terra's listing was not read, and stays due", forWantOfCredentials: error)
  }

  /// Takes in a listing that was read before.
  func take(_ pages: [Page]) async throws -> Ending {
    let now: Date = try await underWay().decode("at")
    let asked = pages.first?.asked ?? now
    let reading = Reading(id: UUID.version7(), page: max(pages.count - 1, 0), asked: pages.last?.asked ?? asked)
    _ = try await run([
      RegistryStatements.providerListingRedate(.uuid(tenant.id)),
      RegistryStatements.providerListingInsert(.uuid(tenant.id), .uuid(reading.id), .timestamp(asked)),
    ])
    for (number, page) in pages.enumerated() {
      try await keep(page.content, of: Reading(id: reading.id, page: number, asked: page.asked))
    }
    return try await complete(reading)
  }

  private var run: @Sendable ([BoundStatement]) async throws -> [PostgresResult] {
    transaction ?? { [database, tenant] in try await database.run(tenant.id, compiles: false, $0) }
  }

  private func underWay() async throws -> PostgresRow {
    let row = try await database.run(
      tenant.id,
      RegistryStatements.providerListingUnderWay(.uuid(tenant.id), .double(Self.freshness.inSeconds), .uuid(runID))
    ).rows.first
    guard let row else { throw RegistryError.notFound("listing") }
    return row
  }

  /// What there is to go on with: the run's own listing, one that nobody has ended, or else a new one.
  private func begin() async throws -> Beginning {
    let id = PostgresParameter.uuid(tenant.id)
    let row = try await underWay()
    let at: Date = try row.decode("at")
    var statements: [BoundStatement] = []
    if let listing = try row.decodeIfPresent("listing_id", as: UUID.self) {
      let outcome: String = try row.decode("outcome")
      let isOwn: Bool = try row.decode("is_own")
      guard outcome == "reading" else {
        return .ended(
          .endedBefore(isComplete: outcome == "complete", try row.decodeIfPresent("reason")))
      }
      if try row.decode("is_fresh") {
        let page: Int = try row.decode("next_page")
        // By an attempt that got no page it would be dated too early: who has changed since could not be missed in it.
        if page == 0 { statements.append(RegistryStatements.providerListingDate(id, .uuid(listing), .timestamp(at))) }
        if !isOwn { statements += noted(listing) }
        if !statements.isEmpty { _ = try await run(statements) }
        return .reading(Reading(id: listing, page: page, asked: at))
      }
      statements.append(end(listing, "given_up", reason: "It was interrupted and not gone on with in time."))
    }
    let listing = UUID.version7()
    statements += [
      RegistryStatements.providerListingRedate(id),
      RegistryStatements.providerListingInsert(id, .uuid(listing), .timestamp(at)),
    ]
    _ = try await run(statements + noted(listing))
    return .reading(Reading(id: listing, page: 0, asked: at))
  }

  private func noted(_ listing: UUID) -> [BoundStatement] {
    guard let runID else { return [] }
    return [RegistryStatements.providerListingOfRun(.uuid(tenant.id), .uuid(runID), .uuid(listing))]
  }

  private func keep(_ page: TerraSubscriptionPage, of reading: Reading) async throws {
    let (id, listing) = (PostgresParameter.uuid(tenant.id), PostgresParameter.uuid(reading.id))
    let entries = ListedUsers(page.users).entries
    var statements: [BoundStatement] = []
    for start in stride(from: 0, to: entries.count, by: Self.chunk) {
      let part = entries[start..<min(start + Self.chunk, entries.count)]
      statements.append(
        RegistryStatements.providerListingKeep(
          id, listing, .textArray(part.map(\.user.userID)), .textArray(part.map(\.user.referenceID)),
          .textArray(part.map { $0.user.resource?.rawValue }), .textArray(part.map(\.user.scopes)),
          .boolArray(part.map(\.user.isActive)), .boolArray(part.map(\.isConflicting)), .timestamp(reading.asked),
          ErasedSubject.fence(part.map { .userID($0.user.userID) }, tenantID: tenant.id)))
    }
    // The last page counts as read with the listing's end: until then it is asked for again, and never one behind it.
    if page.nextPage != nil { statements.append(advance(reading)) }
    guard !statements.isEmpty else { return }
    _ = try await run(statements)
  }

  private func advance(_ reading: Reading) -> BoundStatement {
    RegistryStatements.providerListingAdvance(
      .uuid(tenant.id), .uuid(reading.id), .int(reading.page), .int(reading.page + 1), .timestamp(reading.asked))
  }

  private func complete(_ reading: Reading) async throws -> Ending {
    let comparison = ListingComparison(tenantID: tenant.id, listing: reading.id, slice: slice, run: run)
    let assessment = try await comparison.assess()
    if assessment.doubt == .nothingConfirmed {
      // A listing of strangers must not become what the next one is compared with.
      return try await giveUp(reading, ListingAssessment.Doubt.nothingConfirmed.sentence)
    }
    try await comparison.collect()
    let ended = try await run([advance(reading), end(reading.id, "complete", reason: assessment.doubt?.sentence)])
    guard ended.count == 2, ended[1].affectedRows == 1 else {
      return .incomplete("Terra's listing was given up by another process meanwhile.")
    }
    return .complete(reading.id, assessment)
  }

  private func giveUp(_ reading: Reading, _ reason: String) async throws -> Ending {
    _ = try await run([end(reading.id, "given_up", reason: reason)])
    return .incomplete(reason)
  }

  private func end(_ listing: UUID, _ outcome: String, reason: String?) -> BoundStatement {
    RegistryStatements.providerListingEnd(.uuid(tenant.id), .uuid(listing), .text(outcome), .text(reason))
  }
}

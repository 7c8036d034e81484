import Foundation
import RegistryModel
import RegistryPostgres
import RegistryTerra

extension Connections {
  /// How long a page is waited for that Terra turns away, beyond the deadline of one call.
  static let importPatience: Duration = .seconds(300)

  /// Takes over what is connected at Terra already, from its listing. Whoever stands there is alive; absence from it
  /// proves nothing, so that nothing is ever ended.
  ///
  /// It can be repeated: what is known is not written again. In between, Terra may move connections from page to page;
  /// a second run finds those that were missed.
  ///
  /// - Parameters:
  ///   - tenant: the tenant's slug.
  ///   - fromPage: where to begin, counted from zero.
  ///   - perPage: how many connections a page has, 1 to 500.
  ///   - isDryRun: whether only to count.
  ///   - progress: told after each page.
  /// - Returns: the counts; not complete where Terra stopped answering, with the page to go on from.
  /// - Throws: `tenant_unknown`, `invalid_request`, `database_unavailable`, and Terra's refusal of the first page.
  public func importFromTerra(
    tenant: String, fromPage: Int = 0, perPage: Int = 500, isDryRun: Bool = false,
    progress: (ConnectionImport) -> Void = { _ in }
  ) async throws -> ConnectionImport {
    guard fromPage >= 0 else { throw RegistryError.invalid("from_page", "pages count from 0") }
    guard (1...500).contains(perPage) else { throw RegistryError.invalid("per_page", "takes 1 to 500") }
    let entry = try await directory.require(tenant)
    var report = ConnectionImport(isDryRun: isDryRun)
    var next: Int? = fromPage
    while let page = next {
      let askedAt: Date
      let answer: TerraSubscriptionPage
      do {
        (answer, askedAt) = try await self.page(page, perPage, entry)
      } catch let error as TerraAPIError {
        let problem = TerraRefusal(error, namesResource: false).problem
        guard report.pages > 0 else { throw problem }
        (report.nextPage, report.problem) = (page, problem.message)
        return report
      }
      let facts = try await judge(answer.users, askedAt: askedAt, entry.tenant.id, &report)
      if !isDryRun { try await ObservedFact.write(facts, database, tenantID: entry.tenant.id) }
      report.pages += 1
      next = answer.isPaged ? answer.nextPage : nil
      progress(report)
    }
    report.isComplete = true
    return report
  }

  /// One page, with the moment before it was asked for; a page that Terra turns away is waited for.
  private func page(
    _ number: Int, _ size: Int, _ entry: TenantDirectory.Entry
  ) async throws -> (TerraSubscriptionPage, Date) {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: Self.importPatience)
    while true {
      do {
        return try await entry.terraClient(deadline: max(terraDeadline, .seconds(30))).retrying(isRepeatable: true) {
          let askedAt = Date()
          return (try await $0.subscriptions(page: number, perPage: size), askedAt)
        }
      } catch let error as TerraAPIError where error.code == .rateLimited {
        let pause = error.retryAfter ?? .seconds(10)
        guard clock.now.advanced(by: pause) < end else { throw error }
        try await clock.sleep(for: pause)
      }
    }
  }

  private func judge(
    _ users: [TerraUser], askedAt: Date, _ tenantID: UUID, _ report: inout ConnectionImport
  ) async throws -> [ObservedFact] {
    let rows = try await Connection.several(users.map(\.userID), database, tenantID: tenantID)
    let erased = try await ErasedSubject.erased(among: users.map(\.userID), database, tenantID: tenantID)
    var seen: Set<String> = []
    var facts: [ObservedFact] = []
    for user in users where seen.insert(user.userID).inserted {
      report.listed += 1
      guard !erased.contains(ExactText(user.userID)) else {
        report.erased += 1
        continue
      }
      guard user.isActive != false else {
        report.inactive += 1
        continue
      }
      if let row = rows[user.userID] {
        guard row.isNews(user) else {
          report.known += 1
          continue
        }
        if row.status.isLive { report.completed += 1 } else { report.revived += 1 }
      } else {
        report.added += 1
      }
      facts.append(
        ObservedFact(
          .alive, of: user.userID, askedAt: askedAt, source: "import", reason: "listed", attributes: user.attributes))
    }
    return facts
  }
}

import Foundation
import RegistryPostgres
import RegistrySQL

/// Waits until every transaction is over that may write without having seen what was committed before.
///
/// A statement looks at the tables after it has locked those that it writes, and its transaction keeps these locks. So who
/// holds none of them when the wait begins sees what was committed; the others are waited for. Nobody is held up, and who
/// only reads is not waited for. It is one server's word: on distributed tables the locks are the workers'.
struct WriterDrain: Sendable {
  let database: RegistryDatabase
  let tenantID: UUID
  let deadline: ContinuousClock.Instant

  static let pauses: ClosedRange<Duration> = .milliseconds(2)...(.milliseconds(250))

  /// Waits.
  ///
  /// - Throws: `erasure_unfinished` where somebody writes beyond the deadline, `database_unavailable`,
  ///   `CancellationError`.
  func callAsFunction() async throws {
    var waiting = try await writers()
    var pause = Self.pauses.lowerBound
    while !waiting.isEmpty {
      guard .now + pause < deadline else {
        throw RegistryError(
          .erasureUnfinished, "other transactions write for too long: ask again, and the erasure goes on",
          retryAfter: .seconds(5))
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, Self.pauses.upperBound)
      waiting.formIntersection(try await writers())
    }
  }

  private func writers() async throws -> Set<String> {
    Set(try await database.run(tenantID, RegistryStatements.erasureWriters()).rows.map { try $0.decode("writer") })
  }
}

import Foundation
import RegistryModel
import RegistrySQL
import TestDatabase
import Testing

@Suite("Any order and any repetition of facts gives the same connection", .migratedDatabase)
struct ArrivalOrderTests {
  private func outcome(_ orders: ArrivalOrders, text: String = RegistryStatements.connectionJoin.text) async throws
    -> ArrivalOrders.Outcome
  {
    let statement = try JoinStatement(text: text)
    return try await withDatabase { try await orders.run(on: $0, statement: statement) }
  }

  @Test("162,009 orders of up to four facts, with one repeat, as the pure join has it")
  func upToFour() async throws {
    let outcome = try await outcome(ArrivalOrders(kinds: ArrivalOrders.kinds, sizes: 1...4))
    #expect(outcome.orders == 162_009)
    #expect(outcome.differing.count == 0, "\(outcome.differing.prefix(3))")
    #expect(outcome.brokenLogs.count == 0, "\(outcome.brokenLogs.prefix(3))")
  }

  @Test("the same with data among the kinds, up to three facts, each repeated")
  func withData() async throws {
    let outcome = try await outcome(ArrivalOrders(kinds: ArrivalOrders.kindsWithData, sizes: 1...3, repeats: 3))
    #expect(outcome.orders == 10 + 200 + 6_000)
    #expect(outcome.differing.count == 0, "\(outcome.differing.prefix(3))")
    #expect(outcome.brokenLogs.count == 0, "\(outcome.brokenLogs.prefix(3))")
  }

  @Test(
    "7,085,880 orders of five facts", .enabled(if: ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"),
    .serialized, arguments: 0..<81)
  func five(part: Int) async throws {
    // The sets that begin with two given kinds at a time: all at once would take many gigabytes.
    let outcome = try await outcome(
      ArrivalOrders(kinds: ArrivalOrders.kinds, sizes: 5...5, firstKinds: [part / 9, part % 9]))
    #expect(outcome.orders == 729 * 120)
    #expect(outcome.differing.count == 0, "\(outcome.differing.prefix(3))")
    #expect(outcome.brokenLogs.count == 0, "\(outcome.brokenLogs.prefix(3))")
  }

  @Test("each register that is taken out of the join is missed", arguments: ConnectionRegisters.columns)
  func lostRegister(column: String) async throws {
    let text = RegistryStatements.connectionJoin.text
    let assignment = try #require(
      try Regex("(?s),?\\n  \(column) +=.*?(?=,\\n  [a-z_]+ +=|\\nWHERE)").firstMatch(in: text))
    var mutant = text
    mutant.removeSubrange(assignment.range)
    mutant.replace("SET,", with: "SET")
    let outcome = try await outcome(ArrivalOrders(kinds: ArrivalOrders.kindsWithData, sizes: 2...2), text: mutant)
    #expect(outcome.orders == 200)
    #expect(!outcome.differing.isEmpty)
  }

  @Test(
    "each register that is taken out of the condition is missed",
    arguments: ConnectionRegisters.columns.filter { $0.hasSuffix("_key") })
  func lostCondition(column: String) async throws {
    let text = RegistryStatements.connectionJoin.text
    let start = try #require(text.range(of: "\nWHERE c.tenant_id = $1 AND ("))
    let condition = String(text[start.upperBound...]).replacing("excluded.\(column) ", with: "NULL::text ")
      .replacing("(excluded.\(column),", with: "(NULL::text,")
    let outcome = try await outcome(
      ArrivalOrders(kinds: ArrivalOrders.kindsWithData, sizes: 2...3),
      text: String(text[..<start.upperBound]) + condition)
    #expect(!outcome.differing.isEmpty)
  }

  @Test("a join that lets the last arrival win is caught")
  func lastArrivalWins() async throws {
    let mutant = RegistryStatements.connectionJoin.text
      .replacing("greatest(c.revoked_key, excluded.revoked_key)", with: "coalesce(excluded.revoked_key, c.revoked_key)")
      .replacing(/excluded.revoked_key +> coalesce\(c.revoked_key, ''\)/, with: "excluded.revoked_key IS NOT NULL")
    #expect(mutant.contains("coalesce(excluded.revoked_key") && mutant.contains("excluded.revoked_key IS NOT NULL"))
    let outcome = try await outcome(ArrivalOrders(kinds: ArrivalOrders.kinds, sizes: 2...2, repeats: 0), text: mutant)
    #expect(!outcome.differing.isEmpty)
  }
}

import Testing

@testable import RegistryPostgres

@Suite struct PreparedStatementsTests {
  private func statement(_ name: String?, _ text: String = "SELECT 1") -> PostgresStatement {
    PostgresStatement(name: name, text)
  }

  @Test func preparesAStatementOnce() throws {
    var cache = PreparedStatements(limit: 2)
    let first = try cache.plan([statement("a"), statement("a"), statement(nil)])
    #expect(first == .init(preparations: [0], uses: [.named, .named, .unnamed]))
    cache.prepared(statement("a"))
    #expect(try cache.plan([statement("a")]) == .init())
  }

  @Test func preparesAgainWhatTheServerNeverConfirmed() throws {
    var cache = PreparedStatements(limit: 2)
    _ = try cache.plan([statement("a")])
    #expect(try cache.plan([statement("a")]).preparations == [0])
  }

  @Test func makesRoomForTheLongestUnusedOnly() throws {
    var cache = PreparedStatements(limit: 2)
    cache.prepared(statement("a"))
    cache.prepared(statement("b"))
    _ = try cache.plan([statement("a")])
    let plan = try cache.plan([statement("c")])
    #expect(plan == .init(deallocations: ["b"], preparations: [0], uses: [.named]))
    cache.deallocated("b")
    cache.prepared(statement("c"))
    #expect(cache.count == 2)
  }

  @Test func runsUnpreparedWhatDoesNotFit() throws {
    var cache = PreparedStatements(limit: 1)
    let plan = try cache.plan([statement("a"), statement("b")])
    #expect(plan == .init(preparations: [0], uses: [.named, .unnamed]))
  }

  @Test func limitZeroPreparesNothing() throws {
    var cache = PreparedStatements(limit: 0)
    #expect(try cache.plan([statement("a")]) == .init(uses: [.unnamed]))
  }

  @Test func refusesOneNameForTwoTexts() throws {
    var cache = PreparedStatements(limit: 2)
    #expect(throws: PostgresError.self) {
      try cache.plan([statement("a", "SELECT 1"), statement("a", "SELECT 2")])
    }
    cache.prepared(statement("b", "SELECT 1"))
    #expect(throws: PostgresError.self) { try cache.plan([statement("b", "SELECT 2")]) }
  }

  @Test func preparesAnewWhatTheServerRefused() throws {
    var cache = PreparedStatements(limit: 2)
    cache.prepared(statement("outdated"))
    cache.refused("outdated", isKnownToServer: true)
    #expect(
      try cache.plan([statement("outdated")])
        == .init(deallocations: ["outdated"], preparations: [0], uses: [.named]))
  }

  /// Who loses one name may have lost all, or left some behind that cannot be prepared a second time.
  @Test func startsFromNothingWhenTheServerLostAName() throws {
    var cache = PreparedStatements(limit: 2)
    cache.prepared(statement("lost"))
    cache.prepared(statement("other"))
    cache.refused("lost", isKnownToServer: false)
    #expect(try cache.plan([statement(nil)]) == .init(uses: [.unnamed]))
    let plan = PreparedStatements.Plan(forgetsAll: true, preparations: [0], uses: [.named])
    #expect(try cache.plan([statement("other")]) == plan)
    #expect(try cache.plan([statement("other")]) == plan, "until the server has said so")
    cache.forgotAll()
    cache.prepared(statement("other"))
    #expect(
      try cache.plan([statement("lost"), statement("other")]) == .init(preparations: [0], uses: [.named, .named]))
  }
}

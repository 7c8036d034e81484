import Testing

@testable import RegistryPostgres

/// Who travels in one batch.
@Suite struct LaneCompanyTests {
  private func caller(
    _ id: Int, messageBytes: Int, settingBytes: Int = 0, order: PostgresBatch.Order = .any, reads: Bool = true
  ) -> LaneCaller {
    let demand = LaneCaller.Demand(
      statements: 1, bytes: 10, messageBytes: messageBytes, settingBytes: settingBytes, isolation: .serverDefault,
      order: order, isIdempotent: false, deadline: .now + .seconds(60))
    let caller = LaneCaller(id: UInt64(id), demand, .batch(PostgresBatch(statements: [])))
    caller.onlyReads = reads
    return caller
  }

  /// How many of 300 callers are taken in.
  private func count(_ makeCaller: (Int) -> LaneCaller) -> Int {
    let limits = LaneStateMachine.Limits(
      connections: 1, maximumWaiting: 1000, maximumWaitingBytes: 1 << 20, batchCallers: 300, batchStatements: 1000,
      batchBytes: 1 << 20, outageTolerance: .seconds(1))
    var company = LaneCompany(limits, capacity: 300)
    for id in 1...300 where !company.admit(makeCaller(id)) { break }
    return company.callers.count
  }

  @Test func aCrowdOfReadsFillsOneBlockOfLibpq() {
    #expect(count { caller($0, messageBytes: 80) } == 100)
    #expect(count { caller($0, messageBytes: 96) } == 83)
  }

  @Test func readsTooLongForACrowdToFitAreNotParted() {
    #expect(count { caller($0, messageBytes: 110) } == 300)
  }

  @Test func thoseWhoWriteAreNotParted() {
    #expect(count { caller($0, messageBytes: 80, reads: false) } == 300)
    #expect(count { caller($0, messageBytes: 80, reads: $0 != 50) } == 300)
    // Beyond the block nobody is parted any more, whatever he brings.
    #expect(count { caller($0, messageBytes: 80, reads: $0 != 101) } == 300)
  }

  @Test func theSettingsOfATenantCountOnce() {
    #expect(count { caller($0, messageBytes: 80, settingBytes: 32, order: .by([1])) } == 100)
    #expect(count { caller($0, messageBytes: 40, settingBytes: 116, order: .by([UInt8($0 & 1)])) } == 195)
    #expect(count { caller($0, messageBytes: 40, settingBytes: 40) } == 100)
  }

  /// What a batch is measured by is what its messages take, so that a full one just fits.
  @Test func theLengthOfMessagesIsThatOnTheWire() throws {
    let text = "SELECT 1 WHERE $1 = 'x' AND $2 IS NULL"
    let statement = PostgresStatement(name: "by_key", text, [.text("abc"), .null])
    // Bind: type and length 5, portal 1, name 7, formats 2 + 2 × 2, values 2 + (4 + 3) + 4, formats of results 2 + 2;
    // Describe: 5, 1, 1; Execute: 5, 1, 4.
    let prepared = try LaneCaller.Demand(statement, preparesStatements: true, isIdempotent: false, deadline: .now)
    #expect(prepared.messageBytes == 36 + 7 + 10)
    let twice = try LaneCaller.Demand(
      PostgresBatch(statements: [statement, statement]), preparesStatements: true, isIdempotent: false, deadline: .now)
    #expect(twice.messageBytes == 2 * prepared.messageBytes)
    // Parse: type and length 5, name 1, text, types of parameters 2; Bind names nothing.
    let parsed = try LaneCaller.Demand(statement, preparesStatements: false, isIdempotent: false, deadline: .now)
    #expect(parsed.messageBytes == 8 + text.utf8.count + 1 + 30 + 7 + 10)
  }

  @Test func fitnessSaysWhoOnlyReads() {
    var fit = FitStatements()
    func fitness(_ statements: PostgresStatement...) -> FitStatements.Fitness {
      fit.fitness(of: statements.count == 1 ? .statement(statements[0]) : .batch(PostgresBatch(statements: statements)))
    }
    let select = PostgresStatement(name: "a", "-- why\nSELECT 1")
    let insert = PostgresStatement(name: "b", "INSERT INTO item VALUES (1)")
    for _ in 0..<2 {
      #expect(fitness(select) == .fit(onlyReads: true))
      #expect(fitness(select, insert) == .fit(onlyReads: false))
      #expect(fitness(insert, select) == .fit(onlyReads: false))
      #expect(fitness(PostgresStatement("TABLE item"), PostgresStatement("VALUES (1)")) == .fit(onlyReads: true))
      #expect(fitness(PostgresStatement("WITH x AS (SELECT 1) TABLE x")) == .fit(onlyReads: false))
      #expect(fitness(select, PostgresStatement("COMMIT")) == .unfit(1))
    }
    // The name stands for another text now.
    #expect(fitness(PostgresStatement(name: "a", "DELETE FROM item")) == .fit(onlyReads: false))
    #expect(fitness(select) == .fit(onlyReads: true))
  }
}

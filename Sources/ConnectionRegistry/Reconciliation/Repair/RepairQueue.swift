import Foundation
import RegistryPostgres
import RegistrySQL

/// What is left to be repaired in a run, and what was done in this process.
struct RepairQueue: Sendable {
  var done: [Repair] = []
  /// Whether Terra has shown that it knows this environment's connections.
  var hasProof = false
  var isDone = false
  private var cases: ArraySlice<RepairCase> = []
  private var doubt: String??

  /// The next finding to deal with; nil where none is left.
  mutating func next(of repair: SafeRepair, after place: RepairCase.Place?) async throws -> RepairCase? {
    if cases.isEmpty { cases = try await repair.candidates(after: place)[...] }
    isDone = cases.isEmpty
    return cases.popFirst()
  }

  /// Why absence from the last complete listing does not count; nil where it does.
  mutating func doubt(_ database: RegistryDatabase, _ tenantID: UUID) async throws -> String? {
    if let doubt { return doubt }
    let read = try await SafeRepair.absenceDoubt(database, tenantID)
    doubt = .some(read)
    return read
  }
}

extension SafeRepair {
  /// Why absence from the last complete listing does not count; nil where it does.
  static func absenceDoubt(_ database: RegistryDatabase, _ tenantID: UUID) async throws -> String? {
    let row = try await database.run(tenantID, RegistryStatements.providerListingLast(.uuid(tenantID))).rows.first
    return try row?.decodeIfPresent("reason")
  }
}

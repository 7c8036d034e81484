@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

extension Stage {
  /// Runs a reconciliation and gives what is open afterwards as `kind subject`.
  @discardableResult
  func reconcile(tenant: String? = nil) async throws -> [String] {
    _ = try await registry.reconciliations.run(tenant: tenant ?? slug)
    return try await openFindings(tenant: tenant)
  }

  func openFindings(tenant: String? = nil) async throws -> [String] {
    try await allFindings(tenant: tenant).map { "\($0.kind.rawValue) \($0.subject.id)" }.sorted()
  }

  func finding(_ kind: FindingKind) async throws -> Finding? {
    try await allFindings(Set(FindingStatus.allCases), includingOperators: true).first { $0.kind == kind }
  }
}

@Suite(.migratedDatabase) struct ConnectionFindingTests {
  @Test func oneIDUnderTwoReferenceIDsIsAConflict() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: "a"), .accepted)
      try await stage.expect(Payload.auth("u1", reference: "a", resource: "OURA"), .accepted)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
      try await stage.expect(Payload.auth("u1", reference: "b"), .accepted)
      let found = try await stage.reconcile()
      #expect(found == ["reference_conflict u1"])
    }
  }

  @Test func severalLiveIDsOfOnePersonAtOneResourceAreDuplicates() async throws {
    try await withStage { stage in
      for user in ["u2", "u1", "u3"] { try await stage.expect(Payload.auth(user), .accepted) }
      try await stage.expect(Payload.auth("u0", resource: "OURA"), .accepted)
      try await stage.expect(Payload.auth("u9", reference: "person-2"), .accepted)
      let early = try await stage.reconcile()
      #expect(early.isEmpty)
      try await stage.letPass(seconds: 1_200)
      let found = try await stage.reconcile()
      #expect(found == ["duplicate_active u1"])
      let evidence = try await stage.finding(.duplicateActive)?.evidence.map(\.id).sorted()
      #expect(evidence == ["u1", "u2", "u3"])
      try await stage.expect(Payload.deauth("u1"), .accepted)
      let less = try await stage.reconcile()
      #expect(less == ["duplicate_active u2"])
      try await stage.expect(Payload.event("access_revoked", user: "u3"), .accepted)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
    }
  }

  /// What is left of a group after its least id went to another person was found before under that id only, which vanishes:
  /// it is no part of what stands when that has its turn.
  @Test(arguments: [true, false])
  func aGroupWhoseLeastIDWentToAnotherPersonIsFoundUnderTheNext(isItsTurn: Bool) async throws {
    try await withStage { stage in
      for user in ["u1", "u2", "u3"] { try await stage.expect(Payload.auth(user), .accepted) }
      try await stage.letPass(seconds: 5_000)
      let before = try await stage.reconcile()
      #expect(before == ["duplicate_active u1"])
      try await stage.letPass(seconds: 5_000)
      _ = try await stage.reconcile()
      try await stage.expect(Payload.auth("u1", reference: "person-2"), .accepted)
      if !isItsTurn {
        try await stage.owner.execute(
          "UPDATE registry.reconciliation_state SET standing_family = 'z', standing_subject = 'z'")
      }
      let after = try await stage.reconcile()
      #expect(after == ["duplicate_active u2", "reference_conflict u1"])
    }
  }

  @Test(arguments: [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
  func anOrdinaryReauthenticationGivesNothing(_ order: [Int]) async throws {
    try await withStage { stage in
      let t = Int64(Date().timeIntervalSince1970)
      let deliveries = [
        Delivery(Payload.auth("old"), t: t - 20), Delivery(Payload.auth("new"), t: t - 5),
        Delivery(Payload.reauth(from: "old", to: "new"), t: t - 5),
      ]
      for index in order { try await stage.expect(deliveries[index], .accepted) }
      try await stage.letPass(seconds: 5_000)
      let found = try await stage.reconcile()
      #expect(found.isEmpty)
    }
  }

  @Test func aReauthenticationOfAnotherAppUsersAccountIsShared() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("old", reference: "a"), .accepted)
      try await stage.expect(
        Payload.reauth(from: "old", to: "new", oldReference: "a", newReference: "b"), .accepted)
      let found = try await stage.reconcile()
      #expect(found == ["shared_account new"])
    }
  }

  @Test func aLateAttributionOfTheOldIDMakesASharedAccount() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("old", reference: nil), .accepted)
      try await stage.expect(
        Payload.reauth(from: "old", to: "new", oldReference: nil, newReference: "b"), .accepted)
      try await stage.letPass(seconds: 5_000)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
      try await stage.letPass(seconds: 5_000)
      _ = try await stage.reconcile()
      try await stage.expect(Delivery(Payload.auth("old", reference: "a"), at: -9_000), .accepted)
      let found = try await stage.reconcile()
      #expect(found == ["shared_account new"])
    }
  }

  @Test func whatNobodyIsNamedForIsUnattributedUntilSomebodyIs() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.auth("u1", reference: nil), .accepted)
      let early = try await stage.reconcile()
      #expect(early.isEmpty)
      try await stage.letPass(seconds: 1_000)
      let found = try await stage.reconcile()
      #expect(found == ["unattributed u1"])
      try await stage.expect(Payload.auth("u1"), .accepted)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
      let finding = try await stage.finding(.unattributed)
      #expect(finding?.status == .vanished)
      #expect(finding?.resolvedAt != nil)
    }
  }

  @Test func aReplacedIDThatNobodySawIsAnOrphanUntilItsAuthComes() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.reauth(from: "old", to: "new"), .accepted)
      let early = try await stage.reconcile()
      #expect(early.isEmpty)
      try await stage.letPass(seconds: 1_000)
      let found = try await stage.reconcile()
      #expect(found == ["orphan_reauth old"])
      try await stage.expect(Delivery(Payload.auth("old"), at: -5_000), .accepted)
      let none = try await stage.reconcile()
      #expect(none.isEmpty)
    }
  }

  @Test func aReauthenticationWithoutOldIDIsAnAuth() async throws {
    try await withStage { stage in
      try await stage.expect(Payload.reauth(from: nil, to: "new"), .accepted)
      try await stage.expect(Payload.reauth(from: "same", to: "same"), .accepted)
      try await stage.letPass(seconds: 1_000)
      let found = try await stage.reconcile()
      #expect(found == ["duplicate_active new"])
      let status = try await stage.status("same")
      #expect(status == .active)
    }
  }

  @Test func aForkIsFoundOnceForItsOldID() async throws {
    try await withStage { stage in
      try await stage.expect(Delivery(Payload.auth("a"), at: -60), .accepted)
      try await stage.expect(Delivery(Payload.reauth(from: "a", to: "b"), at: -50), .accepted)
      try await stage.letPass(seconds: 3_000)
      _ = try await stage.reconcile()
      try await stage.letPass(seconds: 3_000)
      _ = try await stage.reconcile()
      try await stage.expect(Delivery(Payload.reauth(from: "a", to: "c", resource: "OURA"), at: -40), .accepted)
      let found = try await stage.reconcile()
      #expect(found == ["orphan_reauth a"])
      let fork = try await stage.finding(.orphanReauth)
      #expect(fork?.reasonCode == "fork")
      #expect(fork?.evidence.count == 2)
    }
  }

  /// Ids of a circle that no recorded fact of the window names are found as well.
  @Test(arguments: [2, 3, 4, 6]) func aCircleIsFoundForEachOfItsIDs(_ size: Int) async throws {
    try await withStage { stage in
      let ids = (0..<size).map { "u\($0)" }
      for id in ids { try await stage.expect(Delivery(Payload.auth(id, resource: id), at: -5_000), .accepted) }
      for index in 0..<(size - 1) {
        try await stage.expect(
          Delivery(Payload.reauth(from: ids[index], to: ids[index + 1], resource: nil), at: -4_000 + Double(index)),
          .accepted)
      }
      for _ in 1...2 {
        try await stage.letPass(seconds: 3_000)
        let none = try await stage.reconcile()
        #expect(none.isEmpty)
      }
      try await stage.expect(
        Delivery(Payload.reauth(from: ids[size - 1], to: ids[0], resource: nil), at: -3_000), .accepted)
      let found = try await stage.reconcile()
      #expect(found == ids.map { "orphan_reauth \($0)" })
      let reason = try await stage.finding(.orphanReauth)?.reasonCode
      #expect(reason == "cycle")
    }
  }

  @Test func whatEndedGivesNothing() async throws {
    try await withStage { stage in
      for (number, type) in ["deauth", "access_revoked"].enumerated() {
        try await stage.expect(Delivery(Payload.auth("u\(number)", reference: nil), at: -50), .accepted)
        try await stage.expect(Payload.event(type, user: "u\(number)"), .accepted)
      }
      try await stage.letPass(seconds: 5_000)
      let found = try await stage.reconcile()
      #expect(found.isEmpty)
    }
  }
}

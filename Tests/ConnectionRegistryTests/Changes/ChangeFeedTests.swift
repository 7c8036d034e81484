@testable import ConnectionRegistry
import Foundation
import NIOConcurrencyHelpers
import RegistryModel
import RegistryPostgres
import TestDatabase
import Testing

@Suite("The change feed", .migratedDatabase)
struct ChangeFeedTests {
  @Test("gives every transition in order, page by page, with what the connection is")
  func pages() async throws {
    try await withStage { stage in
      for body in [Payload.auth("u1"), Payload.event("connection_error", user: "u1"), Payload.deauth("u1")] {
        try await stage.deliver(body)
      }
      let all = try await stage.changes(3, limit: 2)
      #expect(all.map(\.toStatus) == [.active, .degraded, .deauthenticated])
      #expect(all.map(\.fromStatus) == [nil, .active, .degraded])
      #expect(all.map(\.sequence) == [1, 2, 3])
      #expect(all[0].referenceID == "person-1" && all[0].resource == "FITBIT" && all[0].causeType == "event")
      let one = try await stage.registry.changes.page(tenant: stage.slug, limit: 1)
      #expect(one.items.map(\.sequence) == [1])
      let second = try await stage.registry.changes.page(tenant: stage.slug, after: .after(one.cursor), limit: 1)
      #expect(second.items.map(\.sequence) == [2])
      let end = try await stage.registry.changes.page(tenant: stage.slug, after: .after(all[2].cursor))
      #expect(end.items.isEmpty)
      // The end is a place too: what comes later comes behind it.
      try await stage.deliver(Payload.auth("u2"))
      #expect(try await stage.changes(1, after: .after(end.cursor)).map(\.userID) == ["u2"])
      let now = try await stage.registry.changes.page(tenant: stage.slug, after: .now)
      #expect(now.items.isEmpty)
    }
  }

  @Test("takes no cursor that is forged, of another tenant, or of a later state of the database")
  func cursors() async throws {
    try await withStage(StageSettings(slugs: ["acme", "globex"])) { stage in
      try await stage.deliver(Payload.auth("u1"))
      let cursor = try await stage.registry.changes.page(tenant: "acme").cursor
      var altered = cursor
      altered.replaceSubrange(altered.startIndex...altered.startIndex, with: cursor.hasPrefix("A") ? "B" : "A")
      let beyond = try ChangePosition(position: 1 << 60, userID: "u", sequence: 1)
        .cursor(tenantID: TenantID.of(slug: "acme"), keyRing: stage.registry.changes.keyRing)
      for (tenant, text) in [("globex", cursor), ("acme", altered), ("acme", ""), ("acme", "%%"), ("acme", beyond)] {
        let error = await #expect(throws: RegistryError.self) {
          try await stage.registry.changes.page(tenant: tenant, after: .after(text))
        }
        #expect(error?.code == .invalidRequest && error?.field == "after")
      }
      for limit in [0, -1, 1_001, 1_000_000_000] {
        let error = await #expect(throws: RegistryError.self) {
          try await stage.registry.changes.page(tenant: "acme", limit: limit)
        }
        #expect(error?.code == .invalidRequest && error?.field == "limit")
      }
    }
  }

  /// Readers keep cursors across upgrades: this one is as the first version gave them out, and is made by no code of ours.
  @Test("understands a cursor of an older version")
  func cursorOfAnOlderVersion() throws {
    let ring = try MasterKeyRing("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    let tenant = try #require(UUID(uuidString: "01890a5d-ac96-774b-bcce-b302099a8057"))
    let cursor = "AWMNzSkAAQIDBAUGBwgJCgtzNecq5dbibqBwnYHScBC7uapM7wu-CEhuhsL5"
    let place = try ChangePosition(cursor: cursor, tenantID: tenant, keyRing: ring)
    #expect(place == ChangePosition(position: 4_711, userID: "u-1", sequence: 3))
  }

  @Test("brings a place back out of its cursor, whatever the id holds")
  func cursorsOfAnyID() throws {
    let ring = try MasterKeyRing(MasterKeyRing.newKey())
    let tenant = UUID()
    for userID in ["", "u", "ü", "a b", "a  b ", "x\ny", String(repeating: "z", count: 256)] {
      let place = ChangePosition(position: .max, userID: userID, sequence: .max)
      let cursor = try place.cursor(tenantID: tenant, keyRing: ring)
      #expect(try ChangePosition(cursor: cursor, tenantID: tenant, keyRing: ring) == place)
      #expect(cursor.utf8.allSatisfy { $0.isAlphanumeric || "-_".utf8.contains($0) })
    }
  }

  @Test("holds a change back while an older transaction writes, says so, and gives it when that ends")
  func held() async throws {
    try await withStage { stage in
      let changes = stage.registry.changes
      let waiting = try await stage.owner.withTransaction { slow in
        try await slow.execute("SELECT pg_current_xact_id()")
        try await stage.deliver(Payload.auth("u1"))
        let page = try await changes.page(tenant: stage.slug)
        #expect(page.items.isEmpty && page.heldSeconds > 0)
        return Task { try await changes.wait(tenant: stage.slug, for: .seconds(60)) }
      }
      #expect(try await waiting.value.items.map(\.userID) == ["u1"])
      #expect(try await stage.registry.changes.page(tenant: stage.slug, after: .now).items.isEmpty)
    }
  }

  @Test("gives a consumer what it did not acknowledge again, and never goes back")
  func consumers() async throws {
    try await withStage { stage in
      let changes = stage.registry.changes
      for user in ["a", "b", "c"] { try await stage.deliver(Payload.auth(user)) }
      var seen: [FollowedChange] = []
      for try await change in changes(tenant: stage.slug, consumer: "profiles") {
        seen.append(change)
        if seen.count == 3 { break }
      }
      #expect(seen.map(\.userID) == ["a", "b", "c"])
      try await seen[1].acknowledge()
      try await seen[0].acknowledge()
      let moved = try await changes.acknowledge(
        tenant: stage.slug, consumer: "profiles", cursor: seen[0].cursor)
      #expect(!moved)
      var rest: [String] = []
      for try await change in changes(tenant: stage.slug, consumer: "profiles") {
        rest.append(change.userID)
        break
      }
      #expect(rest == ["c"])
      let consumer = try #require(try await changes.consumers(tenant: stage.slug).first)
      #expect(consumer.name == "profiles" && consumer.waiting == 1 && consumer.waitingSince != nil)
      #expect(consumer.acknowledgedAt != nil)

      try await changes.removeConsumer(tenant: stage.slug, "profiles")
      await #expect(throws: RegistryError.self) { try await seen[2].acknowledge() }
      let gone = await #expect(throws: RegistryError.self) {
        try await changes.removeConsumer(tenant: stage.slug, "profiles")
      }
      #expect(gone?.code == .notFound)
      for name in ["", "Profiles", "-x", "a b", String(repeating: "x", count: 64)] {
        await #expect(throws: RegistryError.self) {
          for try await _ in changes(tenant: stage.slug, consumer: name) {}
        }
      }
    }
  }

  @Test("lets a consumer begin with what is new")
  func fromNow() async throws {
    try await withStage { stage in
      try await stage.deliver(Payload.auth("old"))
      _ = try await stage.changes(1)
      let following = Task {
        for try await change in stage.registry.changes(tenant: stage.slug, consumer: "new", startingAt: .now) {
          return change.userID
        }
        return ""
      }
      while try await stage.registry.changes.consumers(tenant: stage.slug).isEmpty { await Task.yield() }
      try await stage.deliver(Payload.auth("new"))
      #expect(try await following.value == "new")
    }
  }

  @Test("wakes a reader of another process, long before it would look by itself")
  func wakesAcrossProcesses() async throws {
    try await withStage { stage in
      try await withReplica(of: stage) { replica in
        let changes = replica.registry.changes
        let waiting = Task { try await changes.wait(tenant: stage.slug, for: .seconds(60)) }
        while changes.waker.interval != ChangeWaker.attentiveInterval || changes.waker.readerCount == 0 {
          await Task.yield()
        }
        let clock = ContinuousClock()
        let began = clock.now
        try await stage.deliver(Payload.auth("u1"))
        #expect(try await waiting.value.items.map(\.userID) == ["u1"])
        #expect(clock.now - began < ChangeWaker.attentiveInterval / 2)
      }
    }
  }

  @Test("finds a change also where nothing can be heard")
  func deaf() async throws {
    try await withStage(StageSettings(listens: false)) { stage in
      let waiting = Task { try await stage.registry.changes.wait(tenant: stage.slug, for: .seconds(60)) }
      while stage.registry.changes.waker.readerCount == 0 { await Task.yield() }
      // Not by this registry, so nobody in this process is told.
      let writer = FeedWriter(tenant: stage.slug)
      try await stage.owner.withTransaction { try await writer.change("u1", in: $0) }
      #expect(try await waiting.value.items.map(\.userID) == ["u1"])
    }
  }

  @Test("frees everything of a reader that goes away")
  func readersThatLeave() async throws {
    try await withStage { stage in
      let changes = stage.registry.changes
      let readers = (0..<20).map { number in
        Task {
          if number % 2 == 0 {
            _ = try await changes.wait(tenant: stage.slug, for: .seconds(60))
          } else {
            for try await _ in changes(tenant: stage.slug, consumer: "c\(number)") {}
          }
        }
      }
      while changes.waker.readerCount < 20 { await Task.yield() }
      for reader in readers { reader.cancel() }
      for reader in readers { await #expect(throws: CancellationError.self) { try await reader.value } }
      #expect(changes.waker.readerCount == 0)
    }
  }

  @Test("ends with the registry")
  func shutsDown() async throws {
    let following = NIOLockedValueBox<Task<Int, any Error>?>(nil)
    try await withStage { stage in
      try await stage.deliver(Payload.auth("u1"))
      let seen = NIOLockedValueBox(0)
      following.withLockedValue {
        $0 = Task {
          for try await _ in stage.registry.changes(tenant: stage.slug, consumer: "c") {
            seen.withLockedValue { $0 += 1 }
          }
          return seen.withLockedValue { $0 }
        }
      }
      while seen.withLockedValue({ $0 }) == 0 { await Task.yield() }
    }
    let count = try await following.withLockedValue { $0 }?.value
    #expect(count == 1)
  }

  @Test("goes on behind its last change after a restore into a cluster that counts its transactions anew")
  func restored() async throws {
    try await withStage { stage in
      let changes = stage.registry.changes
      try await stage.deliver(Payload.auth("before"))
      // As if the cluster that the dump came from had counted further than this one.
      try await stage.owner.execute("UPDATE registry.connection_change SET position = position + 1000000000")
      let refused = await #expect(throws: RegistryError.self) { try await changes.page(tenant: stage.slug) }
      #expect(refused?.code == .schemaNotMigrated)
      let migrator = Migrator(pool: stage.owner, logger: stage.registry.logger)
      await #expect(throws: MigrationError.changesAhead(tenants: 1)) { try await migrator.requireChangesInOrder() }
      _ = try await migrator.apply()
      try await migrator.requireChangesInOrder()
      let first = try await stage.changes(1)
      #expect(first.map(\.userID) == ["before"])
      try await stage.deliver(Payload.auth("after"))
      try await stage.deliver(Payload.deauth("before"))
      let rest = try await stage.changes(2, after: .after(first[0].cursor))
      #expect(rest.map(\.userID) == ["after", "before"])
      let offsets = try await stage.texts("SELECT change_offset::text FROM registry.tenant")
      _ = try await migrator.apply()
      #expect(try await stage.texts("SELECT change_offset::text FROM registry.tenant") == offsets)
    }
  }
}

extension UInt8 {
  fileprivate var isAlphanumeric: Bool {
    (0x30...0x39).contains(self) || (0x41...0x5a).contains(self) || (0x61...0x7a).contains(self)
  }
}

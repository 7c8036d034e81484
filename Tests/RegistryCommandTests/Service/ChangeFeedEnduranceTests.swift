import Foundation
import Testing

/// Readers of the change feed miss nothing, whatever order writers commit in and however often the service is killed.
@Suite("The change feed of a service that is killed", .serialized, .timeLimit(.minutes(20)))
struct ChangeFeedEnduranceTests {
  private static let isLong = ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"
  private static let writers = TransitionWriters(connections: isLong ? 200 : 32, changes: isLong ? 50 : 25)
  private static let kills = 4
  /// What is written when everything else is committed: whoever reads it has read to the end.
  private static let last = "the-last"

  @Test("tells both kinds of readers every transition, in the feed's order, though they go on by their cursors")
  func everyTransitionArrives() async throws {
    let deployment = try await Deployment.make()
    try await Self.slowCommits(of: deployment)
    let key = try await deployment.key()
    let (address, progress) = (ServiceAddress(), FeedProgress())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await Self.writers.send(to: address) { try await progress.acknowledge() }
        let end = SignedWebhook(SignedWebhook.success(userID: Self.last), secret: Deployment.secret)
        let answer = try await address.use { try await $0.deliver(end) }
        #expect(answer.status == 200, "\(answer.body)")
      }
      group.addTask { try await Self.followEvents(address, key, progress) }
      group.addTask { try await Self.poll(address, key, progress) }
      group.addTask { try await Self.liveAndDie(deployment, address, progress) }
      while try await group.next() != nil {}
    }
    let feed = try await deployment.execute(
      "SELECT user_id || '/' || sequence FROM registry.connection_change ORDER BY position, user_id, sequence"
    ).split(separator: "\n").map(String.init)
    #expect(feed.count == Self.writers.total + 1)
    for reader in FeedProgress.Reader.allCases {
      let told = await progress.told(reader)
      #expect(Self.faults(told, feed) == [], "\(reader)")
      // Every process told something, so each reader went on behind what another one had told.
      #expect(Set(told.map(\.processID)).count == Self.kills + 1, "\(reader)")
    }
  }

  /// The server has work to do before each commit, so that younger transactions overtake older ones.
  private static func slowCommits(of deployment: Deployment) async throws {
    try await deployment.execute(
      """
      CREATE FUNCTION public.work_before_commit() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM count(*) FROM generate_series(1, 1 + (random() * 40000)::integer);
        RETURN NULL;
      END $$;
      CREATE TRIGGER work_before_commit AFTER INSERT ON registry.connection_change
        FOR EACH ROW EXECUTE FUNCTION public.work_before_commit();
      """)
  }

  /// Runs the service again and again. A life ends in the middle of writing, once each reader has been told something
  /// in it; the last one when both have read to the end.
  private static func liveAndDie(
    _ deployment: Deployment, _ address: ServiceAddress, _ progress: FeedProgress
  ) async throws {
    for life in 0...kills {
      // Callers share two connections for their writes, and in every other life each has one of its own.
      let settings = life.isMultiple(of: 2) ? [:] : ["REGISTRY_DATABASE_LANES": "0"]
      try await deployment.serve(environment: settings, isKilled: life < kills) { service in
        await address.become(service)
        // Where other tests hold the feed back, writers wait, so that something is left for the next life.
        await progress.allow(writers.total * (2 * life + 3) / (2 * kills + 2))
        let due = writers.total * (life + 1) / (kills + 1)
        try await progress.wait { progress in
          FeedProgress.Reader.allCases.allSatisfy { reader in
            let newest = progress.told(reader).last
            return life < kills
              ? progress.acknowledged >= due && newest?.processID == service.processID : newest?.userID == last
          }
        }
        await address.retire()
        if life < kills { kill(service.processID, SIGKILL) }
      }
    }
  }

  /// Follows as a browser does, which sends the last id that it has got.
  private static func followEvents(_ address: ServiceAddress, _ key: String, _ progress: FeedProgress) async throws {
    let place = Place()
    while await !place.isAtEnd {
      try await address.use { service in
        try await EventStream.follow(service, key: key, lastID: await place.cursor) { event in
          let told = FeedProgress.Told(
            userID: event.userID, sequence: event.sequence, processID: service.processID)
          await place.move(behind: event.id, isAtEnd: event.userID == last)
          await progress.take(told, by: .events)
          return event.userID != last
        }
      }
    }
  }

  /// Asks for page after page, small ones, and waits where there is none.
  private static func poll(_ address: ServiceAddress, _ key: String, _ progress: FeedProgress) async throws {
    let place = Place()
    while await !place.isAtEnd {
      try await address.use { service in
        let after = await place.cursor.map { "&after=\($0)" } ?? ""
        let answer = try await service.api("GET", "/v1/changes?limit=7&wait=30\(after)", key: key)
        try #require(answer.status == 200, "\(answer.body)")
        let page = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any]
        let items = try #require(page?["items"] as? [[String: Any]])
        let changes = try items.map { item in
          FeedProgress.Told(
            userID: try #require(item["user_id"] as? String), sequence: try #require(item["sequence"] as? Int),
            processID: service.processID)
        }
        await place.move(
          behind: try #require(answer.member("cursor")), isAtEnd: changes.contains { $0.userID == last })
        for change in changes { await progress.take(change, by: .polls) }
      }
    }
  }

  /// Where a reader stands.
  private actor Place {
    private(set) var cursor: String?
    private(set) var isAtEnd = false

    func move(behind cursor: String, isAtEnd: Bool) {
      self.cursor = cursor
      self.isAtEnd = isAtEnd
    }
  }

  /// What is wrong with what a reader was told, held against the feed as it stands in the table in the end.
  private static func faults(_ told: [FeedProgress.Told], _ feed: [String]) -> [String] {
    let names = told.map(\.name)
    var faults = Set(feed).subtracting(names).sorted().map { "\($0) is missing" }
    if Set(names).count != names.count { faults.append("some came twice, though no cursor was lost") }
    for (userID, changes) in Dictionary(grouping: told, by: \.userID) {
      let wanted = userID == last ? [1] : Array(1...writers.changes)
      if changes.map(\.sequence) != wanted { faults.append("\(userID) came as \(changes.map(\.sequence))") }
    }
    if faults.isEmpty, names != feed { faults.append("not in the feed's order") }
    return faults
  }
}

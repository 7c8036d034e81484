/// What writers were acknowledged and readers of the change feed were told, and who waits for how much of it.
actor FeedProgress {
  /// How somebody follows the feed.
  enum Reader: CaseIterable {
    case events
    case polls
  }

  /// A change as a reader was told of it.
  struct Told: Sendable {
    var userID: String
    var sequence: Int
    /// The process that told it.
    var processID: Int32

    var name: String { "\(userID)/\(sequence)" }
  }

  private(set) var acknowledged = 0
  private var allowed = 0
  private var told: [Reader: [Told]] = [:]
  private var waiting: [(condition: @Sendable (isolated FeedProgress) -> Bool, then: AsyncStream<Void>.Continuation)] =
    []

  /// What a reader was told, in the order in which it came.
  func told(_ reader: Reader) -> [Told] { told[reader] ?? [] }

  /// A webhook was answered with 200. Its writer goes on once there may be more.
  func acknowledge() async throws {
    acknowledged += 1
    look()
    try await wait { $0.acknowledged < $0.allowed }
  }

  /// Lets writers go on until so many webhooks were acknowledged.
  func allow(_ count: Int) {
    allowed = count
    look()
  }

  /// A reader was told of a change.
  func take(_ change: Told, by reader: Reader) {
    told[reader, default: []].append(change)
    look()
  }

  /// Waits until a condition holds.
  func wait(_ condition: @escaping @Sendable (isolated FeedProgress) -> Bool) async throws {
    if condition(self) { return }
    let (signal, continuation) = AsyncStream.makeStream(of: Void.self)
    waiting.append((condition, continuation))
    for await _ in signal {}
    try Task.checkCancellation()
  }

  private func look() {
    let due = waiting.filter { $0.condition(self) }
    waiting.removeAll { $0.condition(self) }
    for (_, continuation) in due { continuation.finish() }
  }
}

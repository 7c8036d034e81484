import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryPostgres
import RegistrySQL
import ServiceLifecycle

/// Wakes readers of the change feed: at once for what this process commits, by NOTIFY for what others commit.
///
/// It may wake and never decides: a reader looks into the table whatever it was told, and from time to time without
/// being told anything. So a notification is sent beside the transactions that write, where it costs them nothing, for
/// many of them together, and not at all when the database does not answer.
final class ChangeWaker: Service {
  static let channel = "registry_change"

  /// How long commits are gathered before other processes are told.
  static let gathering: Duration = .milliseconds(20)
  /// How often a reader looks without being told, while notifications are heard.
  static let attentiveInterval: Duration = .seconds(10)
  /// How often it looks while they are not, behind a pooler for example.
  static let deafInterval: Duration = .seconds(1)

  private struct State {
    var readers: [UUID: Readers] = [:]
    var nextID: UInt64 = 0
    /// Tenants whose changes other processes have not been told of.
    var untold: Set<UUID> = []
    var hasReaders = false
    var isFinished = false
  }

  private struct Readers {
    var count = 0
    var wakeUps: UInt64 = 0
    var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
  }

  private let worker: any PostgresBatchExecutor
  /// Absent where notifications cannot be heard.
  private let listener: PostgresListener?
  private let logger: Logger
  private let state = NIOLockedValueBox(State())
  private let firstReader: AsyncStream<Void>
  private let firstReaderInput: AsyncStream<Void>.Continuation
  private let commits: AsyncStream<Void>
  private let commitInput: AsyncStream<Void>.Continuation

  init(worker: any PostgresBatchExecutor, listener: PostgresListener?, logger: Logger) {
    self.worker = worker
    self.listener = listener
    self.logger = logger
    (firstReader, firstReaderInput) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    (commits, commitInput) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Says that changes of a tenant were committed by this process.
  func committed(_ tenantID: UUID) {
    wake(tenantID)
    state.withLockedValue { _ = $0.untold.insert(tenantID) }
    commitInput.yield()
  }

  /// A reader's place among those who are woken; leaves with its last owner.
  func subscribe(_ tenantID: UUID) -> Subscription {
    let isFirst = state.withLockedValue { state in
      state.readers[tenantID, default: Readers()].count += 1
      defer { state.hasReaders = true }
      return !state.hasReaders
    }
    if isFirst { firstReaderInput.yield() }
    return Subscription(self, tenantID)
  }

  /// Whether the registry has shut down, so that nobody waits any more.
  var isFinished: Bool { state.withLockedValue { $0.isFinished } }

  /// How long a reader may wait before it looks by itself.
  var interval: Duration { listener?.isListening == true ? Self.attentiveInterval : Self.deafInterval }

  /// Listens and tells, until the service shuts down.
  func run() async throws {
    try await withGracefulShutdownHandler {
      try await withThrowingTaskGroup(of: Void.self) { group in
        if let listener {
          group.addTask { try await listener.run() }
          group.addTask { try await self.listen(listener) }
        }
        group.addTask { await self.tell() }
        defer { finish() }
        try await group.waitForAll()
      }
    } onGracefulShutdown: {
      self.finish()
    }
  }

  /// The connection is opened for the first reader, and kept.
  private func listen(_ listener: PostgresListener) async throws {
    for await _ in firstReader { break }
    for await element in try listener.notifications(on: Self.channel) {
      switch element {
      case .notification(let notification):
        if let tenantID = UUID(uuidString: notification.payload) { wake(tenantID) }
      case .resumed, .elapsed:
        for tenantID in state.withLockedValue({ Array($0.readers.keys) }) { wake(tenantID) }
      }
    }
  }

  private func tell() async {
    for await _ in commits {
      let untold = state.withLockedValue { state in
        defer { state.untold = [] }
        return state.untold
      }
      guard !untold.isEmpty else { continue }
      do {
        _ = try await worker.execute(
          PostgresBatch(statements: [RegistryStatements.changeWake(.textArray(untold.map(\.text))).postgres]))
      } catch {
        logger.debug(
          "other processes were not told of changes", metadata: ["error": "\(RegistryDatabase.named(error))"])
      }
      try? await Task.sleep(for: Self.gathering)
    }
  }

  private func wake(_ tenantID: UUID) {
    let woken = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
      guard var readers = state.readers[tenantID] else { return [] }
      readers.wakeUps += 1
      defer {
        readers.waiting = [:]
        state.readers[tenantID] = readers
      }
      return Array(readers.waiting.values)
    }
    for continuation in woken { continuation.resume() }
  }

  private func finish() {
    firstReaderInput.finish()
    commitInput.finish()
    listener?.shutDown()
    let woken = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
      state.isFinished = true
      let all = state.readers.values.flatMap(\.waiting.values)
      for tenantID in state.readers.keys { state.readers[tenantID]?.waiting = [:] }
      return all
    }
    for continuation in woken { continuation.resume() }
  }

  fileprivate func wakeUps(_ tenantID: UUID) -> UInt64 {
    state.withLockedValue { $0.readers[tenantID]?.wakeUps ?? 0 }
  }

  fileprivate func leave(_ tenantID: UUID) {
    state.withLockedValue { state in
      state.readers[tenantID]?.count -= 1
      if state.readers[tenantID]?.count == 0 { state.readers[tenantID] = nil }
    }
  }

  /// How many readers there are, for tests.
  var readerCount: Int { state.withLockedValue { $0.readers.values.reduce(0) { $0 + $1.count } } }

  fileprivate func wakeUp(_ tenantID: UUID, past seen: UInt64) async {
    let id = state.withLockedValue { state in
      state.nextID += 1
      return state.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLockedValue { state in
          guard !Task.isCancelled, !state.isFinished, var readers = state.readers[tenantID], readers.wakeUps == seen
          else { return true }
          readers.waiting[id] = continuation
          state.readers[tenantID] = readers
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      let waiting = state.withLockedValue { $0.readers[tenantID]?.waiting.removeValue(forKey: id) }
      waiting?.resume()
    }
  }

  /// One reader of one tenant's changes.
  final class Subscription: Sendable {
    private let waker: ChangeWaker
    private let tenantID: UUID

    fileprivate init(_ waker: ChangeWaker, _ tenantID: UUID) {
      self.waker = waker
      self.tenantID = tenantID
    }

    deinit {
      waker.leave(tenantID)
    }

    /// How often it was woken; to be read before the table is, so that no commit between the two is overlooked.
    var wakeUps: UInt64 { waker.wakeUps(tenantID) }

    /// Waits until it is woken again, for some time, or until the task is told to shut down.
    ///
    /// - Throws: `CancellationError`.
    func wakeUp(past seen: UInt64, within time: Duration) async throws {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await self.waker.wakeUp(self.tenantID, past: seen) }
        group.addTask { try await Task.sleep(for: time) }
        group.addTask { try await gracefulShutdown() }
        defer { group.cancelAll() }
        try await group.next()
      }
      try Task.checkCancellation()
    }
  }
}

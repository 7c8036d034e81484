import NIOConcurrencyHelpers

/// What a pool or a lane wants done with its connections, and the carrying out of it, each in a task of its own.
final class ConnectionCommands<ID: Hashable & Sendable>: Sendable {
  enum Command: Sendable {
    case open(ID)
    case close(Session)
  }

  private let commands: AsyncStream<Command>
  private let input: AsyncStream<Command>.Continuation
  /// Kept, so that a shutdown need not wait for a server that does not answer.
  private let openings = NIOLockedValueBox<[ID: Task<Void, Never>]>([:])

  init() {
    (commands, input) = AsyncStream.makeStream(of: Command.self)
  }

  func give(_ command: Command) {
    input.yield(command)
  }

  /// No command will come any more.
  func finish() {
    input.finish()
  }

  /// Gives up what is being opened.
  func cancelOpenings() {
    for opening in openings.withLockedValue({ Array($0.values) }) { opening.cancel() }
  }

  /// Carries the commands out until there will be none any more.
  /// - Parameters:
  ///   - isWanted: whether connections are still to be opened. Once it is not so, ``cancelOpenings()`` must be called.
  ///   - open: opens a connection.
  ///   - closed: called for each connection that has been closed.
  func carryOut(
    isWanted: @escaping @Sendable () -> Bool, open: @escaping @Sendable (ID) async -> Void,
    closed: @escaping @Sendable (Session) -> Void
  ) async {
    await withDiscardingTaskGroup { group in
      for await command in commands {
        switch command {
        case .open(let id):
          let opening = Task { await open(id) }
          openings.withLockedValue { $0[id] = opening }
          // Asked after it was entered: a shutdown either finds the opening or is found here.
          if !isWanted() { opening.cancel() }
          group.addTask {
            await opening.value
            self.openings.withLockedValue { _ = $0.removeValue(forKey: id) }
          }
        case .close(let session):
          group.addTask {
            await session.close()
            closed(session)
          }
        }
      }
      if !isWanted() { cancelOpenings() }
    }
  }
}

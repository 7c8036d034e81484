import ConnectionRegistry
import Foundation
import Synchronization
import TerraSandbox

/// The app users at work: each asks its team for a session, goes to Terra with a browser, and comes back.
final class DemoTraffic: Sendable {
  /// What has happened so far.
  struct Tally: Sendable {
    /// Sessions that the registry opened.
    var sessions = 0
    /// Requests for a session that had to be repeated.
    var repetitions = 0
    /// Attempts that came to their end.
    var finished = 0
    /// What went wrong in the demo itself; the first few.
    var problems: [String] = []
  }

  private let sandbox: Sandbox
  private let browser: SandboxBrowser
  private let sessions: DemoSessionClient
  private let state = Mutex(Tally())

  /// Prepares the traffic.
  ///
  /// - Parameters:
  ///   - sandbox: stands in for Terra; it must run.
  ///   - browser: serves all app users.
  ///   - sessions: the teams' backends.
  init(sandbox: Sandbox, browser: SandboxBrowser, sessions: DemoSessionClient) {
    self.sandbox = sandbox
    self.browser = browser
    self.sessions = sessions
  }

  /// What has happened so far.
  var tally: Tally { self.state.withLock { $0 } }

  /// Lets app users connect, each at its time.
  ///
  /// - Parameters:
  ///   - attempts: who connects what, in the order of the start.
  ///   - began: the moment that the starts count from.
  ///   - atOnce: how many are under way at once.
  /// - Throws: ``DemoError`` when the registry opens no session, `CancellationError`.
  func run(_ attempts: [DemoAttempt], since began: ContinuousClock.Instant, atOnce: Int) async throws {
    let queue = DemoQueue(attempts)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<min(atOnce, attempts.count) {
        group.addTask {
          while let attempt = queue.next() {
            try await Task.sleep(until: began + .seconds(attempt.start))
            try await self.perform(attempt)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func perform(_ attempt: DemoAttempt) async throws {
    let session = try await self.sessions.open(attempt) { self.state.withLock { $0.repetitions += 1 } }
    self.state.withLock { $0.sessions += 1 }
    guard let made = await self.sandbox.attempt(loginURL: session.authURL), let successURL = made.successURL,
      let expiresAt = RFC3339.date(from: session.expiresAt)
    else { return self.note("a session leads to no login page of the sandbox") }
    await self.sandbox.ledger.append(
      .session(
        .init(
          tenant: attempt.tenant.slug, sessionID: session.sessionID,
          attemptTokenSHA256: CallbackURL(successURL).tokenSHA256, expiresAt: expiresAt.timeIntervalSince1970,
          referenceID: attempt.referenceID, resource: attempt.usesWidget ? nil : attempt.resource,
          isMultiAuth: false, at: Date().timeIntervalSince1970)))
    do {
      try await self.browser.visit(session.authURL, picking: attempt.resource)
      self.state.withLock { $0.finished += 1 }
    } catch let error as SandboxBrowserError {
      self.note(error.description)
    }
  }

  private func note(_ problem: String) {
    self.state.withLock { tally in
      if tally.problems.count < 5 { tally.problems.append(problem) }
      tally.finished += 1
    }
  }
}

/// Attempts that several tasks take one after the other.
private final class DemoQueue: Sendable {
  private let rest: Mutex<ArraySlice<DemoAttempt>>

  init(_ attempts: [DemoAttempt]) { self.rest = Mutex(attempts[...]) }

  func next() -> DemoAttempt? { self.rest.withLock { $0.popFirst() } }
}

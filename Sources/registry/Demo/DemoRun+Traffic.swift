import Foundation
import TerraSandbox

extension DemoRun {
  /// Lets everybody connect, and waits until every webhook is delivered or given up and twice the grace is over.
  ///
  /// - Parameters:
  ///   - traffic: the app users.
  ///   - sandbox: stands in for Terra.
  ///   - service: the registry.
  /// - Throws: ``DemoError``, `CancellationError`.
  func drive(_ traffic: DemoTraffic, _ sandbox: Sandbox, _ service: DemoService) async throws {
    let began = ContinuousClock.now
    let total = self.population.attempts.count
    self.progress.begin("\(total) attempts of \(self.population.appUsers) app users to connect")
    try await self.reporting {
      let tally = traffic.tally
      self.progress.update("\(tally.finished) of \(total) done, \(sandbox.pendingWork) webhooks on their way")
    } while: {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await traffic.run(self.population.attempts, since: began, atOnce: self.settings.attemptsAtOnce)
        }
        if self.options.killService {
          group.addTask {
            try await Task.sleep(until: began + .seconds(self.settings.trafficWindow * 0.4))
            await service.killHard()
            try await Task.sleep(for: .seconds(1))
            try await service.start()
          }
        }
        try await group.waitForAll()
      }
    }

    let rotating = DemoTenant.all.filter(\.rotatesSecret)
    self.progress.begin("Waiting for late webhooks and the retries of rejected ones")
    let rotation = ContinuousClock.now + .seconds(self.settings.rotationAfter)
    try await self.reporting {
      self.progress.update("\(sandbox.pendingWork) to go")
    } while: {
      try await Task.sleep(until: rotation)
    }
    for tenant in rotating { try await sandbox.signWithWrongSecret(tenant: tenant.slug) }
    let names = rotating.map(\.slug).joined(separator: ", ")
    self.progress.begin("The signing secret of \(names) is rotated at Terra only; the last app users connect")
    try await self.reporting {
      self.progress.update("\(sandbox.pendingWork) webhooks to go")
    } while: {
      try await traffic.run(self.population.lastAttempts, since: rotation, atOnce: self.settings.attemptsAtOnce)
      // Its own waitUntilIdle() outlasts an interruption, because a sandbox that has ended finishes nothing more.
      while sandbox.pendingWork > 0 { try await Task.sleep(for: .milliseconds(200)) }
    }
    self.progress.begin("Waiting for twice the grace")
    try await Task.sleep(for: .seconds(2 * self.settings.grace))
  }

  /// Calls a report twice a second while something is done.
  private func reporting(
    _ report: @escaping @Sendable () -> Void, while work: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        while !Task.isCancelled {
          report()
          try? await Task.sleep(for: .milliseconds(500))
        }
        return false
      }
      group.addTask {
        try await work()
        return true
      }
      // An interruption ends the report as well, and often before the work.
      for try await isWork in group where isWork { group.cancelAll() }
    }
  }
}

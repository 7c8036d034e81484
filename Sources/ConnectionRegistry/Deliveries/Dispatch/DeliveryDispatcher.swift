import Foundation
import Logging
import Metrics
import NIOConcurrencyHelpers
import RegistryPostgres
import RegistrySQL
import ServiceLifecycle

/// Finds the endpoints at which something is due, in every tenant, and lets each have a worker.
///
/// It looks when this process has written a delivery, when another notifies, and from time to time. Looking decides
/// nothing: who works at an endpoint is decided by the lease in its row.
final class DeliveryDispatcher: Service {
  /// How many endpoints are worked at or found at once.
  static let endpointLimit = 1_000
  /// When to look again at an endpoint that another process holds.
  static let othersPause: Duration = .milliseconds(250)
  /// The least time between two looks.
  static let pause: Duration = .milliseconds(10)
  /// How long attempts under way may take when the service shuts down.
  static let ending: Duration = .seconds(5)
  private static let step: Duration = .milliseconds(50)

  private struct State {
    var workers: [UUID: EndpointWorker] = [:]
    var isEnding = false
    var looksForOthers = false
  }

  private let context: EndpointWorker.Context
  private let signal: DeliverySignal
  /// Absent where notifications cannot be heard; the change feed's waker runs it.
  private let listener: PostgresListener?
  private let cleaner: DeliveryCleaner
  private let state = NIOLockedValueBox(State())

  init(context: EndpointWorker.Context, signal: DeliverySignal, listener: PostgresListener?) {
    self.context = context
    self.signal = signal
    self.listener = listener
    cleaner = DeliveryCleaner(database: context.database, settings: context.settings, logger: context.logger)
  }

  func run() async throws {
    let interval = context.settings.interval
    let notifications = try listener?.notifications(on: "registry_deliveries")
    await withGracefulShutdownHandler {
      await withDiscardingTaskGroup { group in
        let background = Task { [signal, cleaner] in
          await withDiscardingTaskGroup { tasks in
            if let notifications { tasks.addTask { for await _ in notifications { signal.wake() } } }
            tasks.addTask { while (try? await Task.sleep(for: interval)) != nil { signal.wake() } }
            tasks.addTask { await cleaner.run() }
          }
        }
        for await _ in signal.wakes {
          if state.withLockedValue({ $0.isEnding }) { break }
          await look(&group)
          try? await Task.sleep(for: Self.pause)
        }
        background.cancel()
        end(&group)
      }
    } onGracefulShutdown: {
      let workers = self.state.withLockedValue { state in
        state.isEnding = true
        return Array(state.workers.values)
      }
      for worker in workers { worker.end() }
      self.signal.finish()
    }
  }

  /// Lets the workers end, for which the group waits, and breaks off what takes too long.
  private func end(_ group: inout DiscardingTaskGroup) {
    let workers = state.withLockedValue { Array($0.workers.values) }
    for worker in workers { worker.end() }
    guard !workers.isEmpty else { return group.cancelAll() }
    group.addTask { [state] in
      for _ in 0..<Int(Self.ending / Self.step) {
        guard state.withLockedValue({ !$0.workers.isEmpty }), (try? await Task.sleep(for: Self.step)) != nil else {
          return
        }
      }
      for worker in workers { worker.abort() }
    }
  }

  private func look(_ group: inout DiscardingTaskGroup) async {
    let now = context.settings.clock()
    do {
      let results = try await context.database.runAcrossTenants([
        RegistryStatements.deliveryDue(.timestamp(now), .int(Self.endpointLimit))
      ])
      var oldest = now
      guard let due = results.first else { return }
      for row in due.rows {
        if let at = try row.decodeIfPresent("oldest_at", as: Date.self) { oldest = min(oldest, at) }
        let (tenantID, endpointID): (UUID, UUID) = (try row.decode("tenant_id"), try row.decode("endpoint_id"))
        if let worker = state.withLockedValue({ $0.workers[endpointID] }) {
          worker.wake()
        } else if try row.decodeIfPresent("is_leased", as: Bool.self) == true {
          lookAgainForOthers(&group)
        } else {
          begin(tenantID, endpointID, &group)
        }
      }
      Gauge(label: "registry_delivery_oldest_due_seconds").record(now.timeIntervalSince(oldest))
    } catch {
      context.logger.debug("what is due could not be read", metadata: ["error": "\(error)"])
    }
  }

  private func begin(_ tenantID: UUID, _ endpointID: UUID, _ group: inout DiscardingTaskGroup) {
    let worker = EndpointWorker(tenantID: tenantID, endpointID: endpointID, context: context)
    let mayBegin = state.withLockedValue { state in
      guard !state.isEnding, state.workers.count < Self.endpointLimit else { return false }
      state.workers[endpointID] = worker
      return true
    }
    guard mayBegin else { return }
    group.addTask { [self] in
      let attempts = await worker.run()
      state.withLockedValue { $0.workers[endpointID] = nil }
      // Who woke it while it was ending must not wait for the next look by time.
      if attempts > 0 { signal.wake() }
    }
  }

  private func lookAgainForOthers(_ group: inout DiscardingTaskGroup) {
    let isFirst = state.withLockedValue { state in
      defer { state.looksForOthers = true }
      return !state.looksForOthers
    }
    guard isFirst else { return }
    group.addTask { [self] in
      try? await Task.sleep(for: Self.othersPause)
      state.withLockedValue { $0.looksForOthers = false }
      signal.wake()
    }
  }
}

import Logging
import RegistryPostgres
import RegistrySQL
import ServiceLifecycle

/// Says within a process that there may be something to deliver. Many words become one.
final class DeliverySignal: Sendable {
  let wakes: AsyncStream<Void>
  private let input: AsyncStream<Void>.Continuation

  init() {
    (wakes, input) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  func wake() {
    input.yield()
  }

  func finish() {
    input.finish()
  }
}

/// Where a process writes changes but delivers nothing, it wakes those that do.
///
/// In a transaction of its own, and once for many changes: whoever notifies holds a lock of the whole server while it
/// commits, which no webhook should wait for.
struct DeliveryNotifier: Service {
  let database: RegistryDatabase
  let signal: DeliverySignal
  let logger: Logger

  static let pause: Duration = .milliseconds(50)

  func run() async {
    await cancelWhenGracefulShutdown {
      for await _ in signal.wakes {
        do {
          _ = try await database.runAcrossTenants([RegistryStatements.deliveryWake()])
          try await Task.sleep(for: Self.pause)
        } catch {
          logger.debug("those who deliver were not woken: they look from time to time")
        }
      }
    }
  }
}

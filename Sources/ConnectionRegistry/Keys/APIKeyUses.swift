import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryPostgres
import RegistrySQL
import ServiceLifecycle

/// Writes when keys were last used, beside the requests that use them: no request waits for it, nor fails with it.
///
/// Of one key one write is under way at a time. A graceful shutdown waits for those under way, a killed process loses them.
final class APIKeyUses: Service {
  private let database: RegistryDatabase
  private let underWay = NIOLockedValueBox<[UUID: Task<Void, Never>]>([:])

  init(database: RegistryDatabase) {
    self.database = database
  }

  /// Writes that a key is being used; returns at once.
  func note(_ keyID: UUID, of tenantID: UUID, sha256: PostgresParameter) {
    underWay.withLockedValue { tasks in
      guard tasks[keyID] == nil else { return }
      tasks[keyID] = Task { [self] in
        do {
          _ = try await database.run(
            tenantID, locking: [keyID.text], RegistryStatements.apiKeyUsed(.uuid(tenantID), sha256))
        } catch {
          // The next request of the key tries again.
          database.logger.debug("the use of a key could not be written", metadata: ["key_id": "\(keyID.text)"])
        }
        underWay.withLockedValue { $0[keyID] = nil }
      }
    }
  }

  /// Waits until what was noted before is written, or could not be.
  func settle() async {
    for task in underWay.withLockedValue({ Array($0.values) }) { await task.value }
  }

  /// Waits for the writes under way when the service shuts down.
  func run() async {
    do {
      try await gracefulShutdown()
      await settle()
    } catch {
      // Cancelled: nobody waits for them.
    }
  }
}

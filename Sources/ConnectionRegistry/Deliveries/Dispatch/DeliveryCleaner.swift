import Foundation
import Logging
import RegistryPostgres
import RegistrySQL

/// Removes deliveries that were settled long ago, and what has waited as long for an endpoint that is disabled, in slices
/// that hold nobody up.
struct DeliveryCleaner: Sendable {
  let database: RegistryDatabase
  let settings: DeliveryConfiguration
  let logger: Logger

  static let interval: Duration = .seconds(600)
  static let sliceSize = 1_000
  static let endpointsAtOnce = 100

  /// Cleans from time to time, until it is cancelled.
  func run() async {
    while (try? await Task.sleep(for: Self.interval)) != nil {
      do {
        _ = try await clean()
      } catch {
        logger.debug("old deliveries could not be removed", metadata: ["error": "\(error)"])
      }
    }
  }

  /// Cleans once.
  ///
  /// - Returns: how many deliveries were removed.
  func clean() async throws -> Int {
    let before = PostgresParameter.timestamp(
      settings.clock().addingTimeInterval(-settings.retention.inSeconds))
    var removed = 0
    while true {
      let old = try await database.runAcrossTenants([
        RegistryStatements.deliveryOld(before, .int(Self.endpointsAtOnce))
      ])
      guard let endpoints = old.first else { return removed }
      var slice = 0
      for row in endpoints.rows {
        let (tenantID, endpointID): (UUID, UUID) = (try row.decode("tenant_id"), try row.decode("endpoint_id"))
        slice += try await database.run(
          tenantID,
          RegistryStatements.deliveryClean(.uuid(tenantID), .uuid(endpointID), before, .int(Self.sliceSize))
        ).affectedRows
      }
      removed += slice
      guard slice > 0 else { return removed }
    }
  }
}

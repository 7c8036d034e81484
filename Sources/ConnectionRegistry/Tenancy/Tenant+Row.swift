import Foundation
import RegistryPostgres

extension Tenant {
  init(row: PostgresRow) throws {
    self.init(
      slug: try row.decode("slug"), environment: try row.decode("environment"),
      disabledAt: try row.decodeIfPresent("disabled_at"), shadow: try row.decode("shadow"),
      devID: try row.decode("dev_id"), terraBaseURL: try row.decode("terra_base_url"),
      terraWidgetURL: try row.decode("terra_widget_url"), returnURLs: try row.decode("return_urls"),
      graceSeconds: try row.decodeIfPresent("grace_seconds"),
      sessionExpirySeconds: try row.decodeIfPresent("session_expiry_seconds"),
      horizonSeconds: try row.decodeIfPresent("horizon_seconds"),
      signatureFailingSeconds: try row.decodeIfPresent("signature_failing_seconds"),
      bindsBrowser: try row.decode("binds_browser"),
      providerEverySeconds: try row.decodeIfPresent("provider_every_seconds"),
      repair: RepairMode(rawValue: try row.decode("repair")) ?? .none,
      copiesTerraUsers: try row.decode("copies_terra_users"), createdAt: try row.decode("created_at"))
  }
}

extension Duration {
  /// The duration in seconds.
  package var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}

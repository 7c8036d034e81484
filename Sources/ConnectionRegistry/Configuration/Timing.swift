import Foundation

/// The durations that decide when something is missing, late or too late, with a tenant's own before the deployment's.
struct Timing: Sendable {
  var grace: Duration
  var sessionExpiry: Duration?
  var horizon: Duration
  var signatureFailingAfter: Duration
  /// The present moment by this process's clock.
  var now: @Sendable () -> Date = { Date() }

  /// How far a signed time may lie in the future before the event is quarantined.
  static let toleratedFuture: Duration = .seconds(300)
  /// How long a session lives that Terra has not answered yet.
  static let unansweredExpiry: Duration = .seconds(900)

  func grace(of tenant: Tenant) -> Double { tenant.graceSeconds ?? grace.inSeconds }
  func horizon(of tenant: Tenant) -> Double { tenant.horizonSeconds ?? horizon.inSeconds }
  func sessionExpiry(of tenant: Tenant) -> Double? { tenant.sessionExpirySeconds ?? sessionExpiry?.inSeconds }
  func signatureFailing(of tenant: Tenant) -> Double {
    tenant.signatureFailingSeconds ?? signatureFailingAfter.inSeconds
  }

  /// How far a run's window reaches back before the end of the last one's, in seconds: an event's deadline counts from its
  /// instant, which may lie after its arrival.
  func widening(of tenant: Tenant) -> Double {
    Reconciliations.overlap.inSeconds + grace(of: tenant) + Self.toleratedFuture.inSeconds + 1
  }
}

import TerraSandbox

/// The limits that the tenants of a simulation have, in seconds, and how Terra delivers.
enum SimulationSettings {
  /// How long the two channels may be apart.
  static let grace = 600.0
  /// How long a session lives.
  static let sessionExpiry = 1_800.0
  /// How old an event may be.
  static let horizon = 86_400.0
  /// How long deliveries may all be rejected.
  static let signatureFailingAfter = 600.0
  /// How long after one pass over a listing the next one comes, once the errors have ceased: more than the grace.
  static let betweenPasses = 1_500.0

  /// The limits to which the sandbox scales its delays.
  static let thresholds = SandboxThresholds(grace: grace, expiry: sessionExpiry, horizon: horizon)

  /// Where the browsers end; nobody listens there.
  static let returnURL = "http://localhost:8443/app"
  static let successURL = returnURL + "/devices"
  static let failureURL = returnURL + "/devices/error"
}

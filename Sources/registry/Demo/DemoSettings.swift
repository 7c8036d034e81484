import TerraSandbox

/// The numbers of the demo: a registry's days in seconds.
///
/// Delays and retries keep away from every threshold by a fifth of it, so that a slow machine does not move one to the
/// other side.
struct DemoSettings: Sendable {
  /// The seed of population and faults.
  var seed: UInt64
  /// How many app users connect.
  var appUsers: Int

  /// How long event and callback may be apart, in seconds.
  let grace = 5.0
  /// How long a session lives, in seconds.
  let sessionExpiry = 10.0
  /// How old an event may be before it is quarantined, in seconds.
  let horizon = 60.0
  /// How long deliveries may all be rejected before that is a finding, in seconds.
  let signatureFailingAfter = 5.0
  /// Within what time the app users begin, in seconds.
  let trafficWindow = 34.0
  /// How long after the main traffic the secret of a tenant is rotated at Terra and the last app users come, in
  /// seconds: the retries of what was signed wrong before are over, and those to come outlast the latest webhook.
  let rotationAfter = 53.0
  /// How many app users the tenant with the rotated secret gets then; the other tenants get one each.
  let appUsersAfterRotation = 4
  /// How many attempts are under way at once.
  let attemptsAtOnce = 24
  /// The part of the app users that connects a second device.
  let secondDeviceRate = 0.2

  /// Tries after 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
  var delivery: DeliverySettings {
    DeliverySettings(baseDelay: 0.5, maximumDelay: 60, maximumTries: 7, timeout: 8, concurrency: 24)
  }

  /// The limits that the sandbox scales its delays to.
  var thresholds: SandboxThresholds {
    SandboxThresholds(grace: self.grace, expiry: self.sessionExpiry, horizon: self.horizon)
  }

  /// Faults, one per attempt, and how often each happens.
  var faults: FaultSettings {
    var rates: [SandboxFault: Double] = [
      .denial: 0.03, .abandonment: 0.02, .mobileHandover: 0.02,
      .webhookDropped: 0.02, .webhookDuplicated: 0.02, .webhookDuplicatedNewTrace: 0.015, .webhookReordered: 0.02,
      .webhookDelayedSeconds: 0.03, .webhookDelayedHours: 0.02, .webhookPastHorizon: 0.015,
      .webhookWrongSecret: 0.015,
      .redirectLost: 0.02, .redirectReloaded: 0.02, .redirectAlteredReference: 0.01, .redirectAlteredResource: 0.01,
      .redirectAlteredUser: 0.01, .redirectFailureAfterSuccess: 0.015,
      .forgedCrossTenant: 0.01, .stolenToken: 0.01,
      .reauthAuthFirst: 0.015, .reauthReauthFirst: 0.015, .reauthUnknownOld: 0.01, .reauthNullOld: 0.01,
      .reauthLost: 0.01,
      .sharedAccount: 0.012, .secondReference: 0.01, .secondAccount: 0.01, .noReference: 0.01,
      .providerRevocation: 0.015, .deauthentication: 0.015, .deauthenticationLost: 0.01, .connectionError: 0.01,
      .permissionChange: 0.01,
    ]
    // Beyond a hundred unknown tokens an hour a tenant gets a summary instead, which is not what the demo shows.
    let attemptsPerTenant = Double(self.appUsers) * (1 + self.secondDeviceRate) / Double(DemoTenant.all.count)
    rates[.forgedToken] = min(0.012, 60 / max(1, attemptsPerTenant))
    return FaultSettings(seed: self.seed, rates: rates)
  }
}

import TerraSandbox

/// A team that takes part in the demo.
struct DemoTenant: Sendable, Hashable {
  /// The tenant's name.
  let slug: String
  /// Which of Terra's two live generations its environment speaks.
  let generation: SandboxGeneration
  /// Whether its signing secret is rotated at Terra, and only there, near the end.
  let rotatesSecret: Bool

  /// The three teams.
  static let all = [
    DemoTenant(slug: "harbor", generation: .legacy, rotatesSecret: false),
    DemoTenant(slug: "meadow", generation: .access, rotatesSecret: false),
    DemoTenant(slug: "summit", generation: .access, rotatesSecret: true),
  ]

  /// Where a browser ends after a success. Nobody listens there: the browser of the demo stops at the last redirect.
  var successURL: String { "http://localhost:8443/\(self.slug)/devices" }

  /// Where a browser ends after a failure.
  var failureURL: String { "http://localhost:8443/\(self.slug)/devices/error" }

  /// What the tenant's allow-list holds.
  var returnURL: String { "http://localhost:8443/\(self.slug)" }

  /// The environment at Terra.
  ///
  /// - Parameter webhookURL: where its webhooks go; nil before the service listens.
  /// - Returns: the environment as the sandbox takes it.
  func environment(webhookURL: String?) -> SandboxEnvironment {
    SandboxEnvironment(slug: self.slug, webhookURL: webhookURL, generation: self.generation)
  }
}

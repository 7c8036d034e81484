import Foundation

/// What is left to do at Terra, and in the team's code, once a tenant is made.
public struct OnboardingStep: Sendable, Hashable, Codable {
  /// What to do.
  public var step: String
  /// What to put in there: a URL, the names of event types.
  public var value: String?
  /// Where, or why.
  public var note: String?
}

extension ConnectionRegistry {
  /// The steps that bring a tenant to work, in order.
  ///
  /// - Parameter tenant: the tenant.
  /// - Returns: what to do at Terra and in the team's code; in shadow mode, what to mirror.
  public func onboarding(of tenant: Tenant) -> [OnboardingStep] {
    var steps: [OnboardingStep] = []
    let host = URL(string: publicURL)?.host ?? ""
    if ["127.0.0.1", "localhost", "[::1]", "::1"].contains(host) {
      steps.append(
        OnboardingStep(
          step: "Give the service an address that Terra reaches",
          value: "REGISTRY_PUBLIC_URL=https://registry.example",
          note: "It is \(publicURL) now; set it, and ask again with `registry tenant steps \(tenant.slug)`."))
    }
    let webhook = "\(publicURL)/webhooks/terra/\(tenant.slug)"
    steps += [
      OnboardingStep(
        step: tenant.shadow ? "Mirror Terra's webhooks" : "Add a webhook destination at Terra", value: webhook,
        note: tenant.shadow
          ? "As a second destination at Terra, or by passing on body and headers byte for byte from the one you have."
          : "Terra's dashboard, Destinations, of the environment with the dev-id \(tenant.devID)."),
      OnboardingStep(
        step: "Give the registry the destination's signing secret",
        value: "registry tenant rotate-secret \(tenant.slug) --signing-secret-file FILE",
        note:
          "Terra shows it beside the destination, and each destination has its own. Nothing to do where the tenant was "
          + "made with it; where another was given, the finding signature_failing tells."),
      OnboardingStep(
        step: "Switch on the event types",
        value: "auth, auth_cancelled, deauth, user_reauth, access_revoked, connection_error, permission_change",
        note: "Data types may stay on: they only set the time of the last data, and are not stored."),
    ]
    if tenant.shadow {
      steps.append(
        OnboardingStep(
          step: "Send Terra's own clients through the gateway, if you like", value: "\(publicURL)/terra/v2",
          note: "In shadow mode it records and passes on; redirects stay your own."))
    } else {
      steps += [
        OnboardingStep(
          step: "Allow the registry's callbacks, where your Terra environment restricts redirects",
          value: "\(publicURL)/callbacks/terra/\(tenant.slug)/", note: "Terra sends browsers there first."),
        OnboardingStep(
          step: "Check where browsers may return to", value: tenant.returnURLs.joined(separator: " "),
          note: "`registry tenant update \(tenant.slug) --return-url URL …` changes the list."),
        OnboardingStep(
          step: "Change your Terra client's base URL", value: "\(publicURL)/terra/v2",
          note: "With a key of `registry key create --tenant \(tenant.slug)` as its API key; or use \(publicURL)/v1."),
      ]
    }
    steps.append(
      OnboardingStep(
        step: "Take over what is connected already",
        value: "registry connection import --from-terra --tenant \(tenant.slug)", note: "--dry-run only counts."))
    return steps
  }
}

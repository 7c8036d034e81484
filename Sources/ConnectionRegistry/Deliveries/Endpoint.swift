public import Foundation
public import RegistryModel

/// Where a tenant's backend takes deliveries.
public struct Endpoint: Sendable, Hashable, Codable {
  /// Why an endpoint gets no deliveries.
  public enum DisabledReason: String, Sendable, Hashable, Codable, CaseIterable {
    /// An operator or the team switched it off.
    case `operator`
    /// It answered 410.
    case gone
    /// It failed for five days without a success.
    case failing
  }

  /// Its id.
  public var endpointID: UUID
  /// Where deliveries are sent, by POST.
  public var url: String
  /// What it is for.
  public var description: String
  /// The states whose changes it gets; nil is all.
  public var statuses: [ConnectionStatus]?
  /// The transitions of findings that it gets; empty is none.
  public var findingTypes: [FindingTransitionType]
  /// When it was added; it gets the changes from then on, older ones by replay.
  public var createdAt: Date
  /// Since when it is disabled; nil while it works.
  public var disabledAt: Date?
  /// Why it is disabled.
  public var disabledReason: DisabledReason?
  /// Since when every attempt has failed; nil while they do not.
  public var failingSince: Date?
  /// When it last took a delivery, to the minute.
  public var lastSuccessAt: Date?
  /// Until when deliveries are signed with the secret before the last rotation too.
  public var previousSecretUntil: Date?
}

/// What an endpoint is made of.
public struct NewEndpoint: Sendable, Hashable {
  /// Where deliveries are sent: https, plain http only for tenants of the environment `testing`.
  public var url: String
  /// What it is for, up to 200 characters.
  public var description: String
  /// The states whose changes it gets; nil is all.
  public var statuses: Set<ConnectionStatus>?
  /// The transitions of findings that it gets; empty is none.
  public var findingTypes: Set<FindingTransitionType>

  /// Describes an endpoint.
  ///
  /// - Parameters:
  ///   - url: where deliveries are sent.
  ///   - description: what it is for.
  ///   - statuses: the states whose changes it gets; nil is all.
  ///   - findingTypes: the transitions of findings that it gets; empty is none.
  public init(
    url: String, description: String = "", statuses: Set<ConnectionStatus>? = nil,
    findingTypes: Set<FindingTransitionType> = []
  ) {
    self.findingTypes = findingTypes
    self.url = url
    self.description = description
    self.statuses = statuses
  }
}

/// What of an endpoint is to be changed; what is nil stays.
public struct EndpointChanges: Sendable, Hashable {
  /// Another URL.
  public var url: String?
  /// Another description.
  public var description: String?
  /// Other states whose changes it gets; `.some(nil)` is all.
  public var statuses: Set<ConnectionStatus>??
  /// Other transitions of findings that it gets; empty is none.
  public var findingTypes: Set<FindingTransitionType>?

  /// Describes changes.
  ///
  /// - Parameters:
  ///   - url: another URL.
  ///   - description: another description.
  ///   - statuses: other states; `.some(nil)` is all.
  ///   - findingTypes: other transitions of findings; empty is none.
  public init(
    url: String? = nil, description: String? = nil, statuses: Set<ConnectionStatus>?? = nil,
    findingTypes: Set<FindingTransitionType>? = nil
  ) {
    self.findingTypes = findingTypes
    self.url = url
    self.description = description
    self.statuses = statuses
  }
}

/// An endpoint with the secret that its deliveries are signed with, which is shown this once.
public struct EndpointWithSecret: Sendable, Hashable, Codable {
  /// The endpoint.
  public var endpoint: Endpoint
  /// The secret, `whsec_` and base64, for any verifier of Standard Webhooks.
  public var secret: String
}

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// The browser of a person who connects a device: opens the login page, decides, and follows the redirects, with the
/// redirect faults of the attempt's plan.
///
/// It reloads while the registry cannot be reached, and writes every arrival into the sandbox's ledger. Waiting goes
/// through the sandbox's clock.
public actor SandboxBrowser {
  /// What the person does on the login page.
  public enum Decision: Sendable, Hashable {
    /// What the attempt's plan says: mostly to approve.
    case asPlanned
    /// Grant access.
    case approve
    /// Refuse.
    case deny
    /// Pick a provider that only a phone can connect.
    case handOver
    /// Close the page.
    case abandon
  }

  private let sandbox: Sandbox
  private let settings: BrowserSettings
  private let client: HTTPClient

  private init(sandbox: Sandbox, settings: BrowserSettings, client: HTTPClient) {
    self.sandbox = sandbox
    self.settings = settings
    self.client = client
  }

  /// Opens a browser for as long as a closure runs. One browser serves any number of people at once.
  ///
  /// - Parameters:
  ///   - sandbox: the sandbox whose login pages are visited; it must run.
  ///   - settings: how the browser behaves where the registry does not answer.
  ///   - isolation: the caller's isolation.
  ///   - body: uses the browser.
  /// - Returns: what the closure returns.
  /// - Throws: what the closure throws.
  public static func with<Value>(
    sandbox: Sandbox, settings: BrowserSettings = BrowserSettings(),
    isolation: isolated (any Actor)? = #isolation, _ body: (SandboxBrowser) async throws -> sending Value
  ) async throws -> sending Value {
    let client = HTTPClient(
      eventLoopGroupProvider: .singleton,
      configuration: Sandbox.clientConfiguration(connectionsPerHost: settings.connectionsPerHost))
    do {
      let value = try await body(SandboxBrowser(sandbox: sandbox, settings: settings, client: client))
      try await client.shutdown()
      return value
    } catch {
      try? await client.shutdown()
      throw error
    }
  }

  /// Goes through one attempt.
  ///
  /// - Parameters:
  ///   - loginURL: the `auth_url` or the widget's `url`.
  ///   - resource: the provider that the person picks in a widget; nil picks the first one. A direct attempt has its
  ///     own.
  ///   - decision: what the person does.
  /// - Returns: what the browser went through.
  /// - Throws: ``SandboxBrowserError`` when the URL is no login page or the page refuses.
  @discardableResult
  public func visit(
    _ loginURL: String, picking resource: String? = nil, decision: Decision = .asPlanned
  ) async throws -> BrowserVisit {
    guard let attempt = await self.sandbox.attempt(loginURL: loginURL) else { throw SandboxBrowserError.notALoginPage }
    let decision = decision == .asPlanned ? Self.planned(attempt.plan) : decision
    let page = try await self.load(loginURL)
    guard page.status == 200 else { throw SandboxBrowserError.unexpectedAnswer(status: page.status) }
    if decision == .abandon {
      try await self.sandbox.abandon(attempt)
      return BrowserVisit(attempt: attempt, decision: .abandoned)
    }
    let picked = decision == .handOver ? ProviderCatalogue.mobileOnly.first : resource ?? attempt.providers.first
    let form = [("decision", decision == .deny ? "deny" : "approve"), ("resource", picked ?? "GARMIN")]
    let answer = try await self.load(loginURL, form: form)
    guard let location = answer.location else { throw SandboxBrowserError.unexpectedAnswer(status: answer.status) }
    var visit = BrowserVisit(attempt: attempt, decision: Self.outcome(decision))
    // Without a redirect URL the browser stays with Terra.
    guard attempt.successURL != nil, !location.hasPrefix(await self.sandbox.publicURL() + "/session/") else {
      return visit
    }
    try await self.goBack(to: location, attempt: attempt, into: &visit)
    return visit
  }

  /// Connects several providers in one widget session that allows it, and goes back to the app.
  ///
  /// - Parameters:
  ///   - loginURL: the widget's `url`.
  ///   - resources: the providers, one after the other.
  /// - Returns: what the browser went through.
  /// - Throws: ``SandboxBrowserError`` when the URL is no login page or the page refuses.
  @discardableResult
  public func visit(_ loginURL: String, pickingAll resources: [String]) async throws -> BrowserVisit {
    guard let attempt = await self.sandbox.attempt(loginURL: loginURL) else { throw SandboxBrowserError.notALoginPage }
    for resource in resources {
      let answer = try await self.load(loginURL, form: [("decision", "approve"), ("resource", resource)])
      guard answer.location != nil else { throw SandboxBrowserError.unexpectedAnswer(status: answer.status) }
    }
    let answer = try await self.load(loginURL, form: [("decision", "finish")])
    guard let location = answer.location else { throw SandboxBrowserError.unexpectedAnswer(status: answer.status) }
    var visit = BrowserVisit(attempt: attempt, decision: .approved)
    try await self.goBack(to: location, attempt: attempt, into: &visit)
    return visit
  }

  /// Goes to a page of the app's once more, as the back button and a restored tab do.
  ///
  /// - Parameters:
  ///   - arrival: an earlier arrival.
  ///   - visit: the visit that it was a part of; gets the arrival too.
  /// - Throws: `CancellationError`.
  public func repeatArrival(_ arrival: BrowserVisit.Arrival, of visit: inout BrowserVisit) async throws {
    let isSuccess = visit.attempt.successURL.map { Self.matches(arrival.url, base: $0) } ?? false
    _ = try await self.arrive(
      arrival.url, isSuccess: isSuccess, fault: .redirectReloaded, visit.attempt, into: &visit)
  }

  // MARK: The way back

  private func goBack(to location: String, attempt: Attempt, into visit: inout BrowserVisit) async throws {
    let forgery = visit.decision == .approved ? attempt.plan.fault(in: .forgery) : nil
    let forgerComesFirst = attempt.plan.draw("forger first") < 0.5
    if let forgery, forgerComesFirst { try await self.forge(forgery, honest: location, attempt, into: &visit) }
    let fault = attempt.plan.fault(in: .redirect)
    if fault != .redirectLost {
      let isSuccess = attempt.successURL.map { Self.matches(location, base: $0) } ?? false
      visit.finalURL = try await self.arrive(location, isSuccess: isSuccess, fault: fault, attempt, into: &visit)
      if fault == .redirectReloaded {
        for _ in 0..<(attempt.plan.draw("reloads") < 0.5 ? 1 : 2) {
          _ = try await self.arrive(location, isSuccess: isSuccess, fault: fault, attempt, into: &visit)
        }
      }
    }
    if let forgery, !forgerComesFirst { try await self.forge(forgery, honest: location, attempt, into: &visit) }
  }

  /// A visit that claims what is not so, with the honest `reference_id` and `resource`.
  private func forge(
    _ forgery: SandboxFault, honest: String, _ attempt: Attempt, into visit: inout BrowserVisit
  ) async throws {
    guard let target = attempt.successURL else { return }
    let connection = await self.sandbox.connectionMade(by: attempt)
    let resource = connection?.resource ?? attempt.resource ?? "GARMIN"
    var url = target
    let userID: String
    switch forgery {
    case .forgedToken:
      userID = identifier()
      url = CallbackURL.replacingToken(in: target)
    case .forgedCrossTenant:
      userID = try await self.sandbox.bystander(for: attempt, resource: resource, inOtherTenant: true)
    default: userID = try await self.sandbox.bystander(for: attempt, resource: resource, inOtherTenant: false)
    }
    let claim = Redirect(
      isSuccess: true, target: url, userID: userID, referenceID: attempt.referenceID, resource: resource)
    let forged = claim.url(target: url) { attempt.plan.draw("forged \($0)") }
    _ = try await self.arrive(forged, isSuccess: true, fault: forgery, attempt, into: &visit)
  }

  /// Asks for a URL until somebody answers it, and writes each try down.
  ///
  /// - Returns: where the answer sends the browser.
  private func arrive(
    _ url: String, isSuccess: Bool, fault: SandboxFault?, _ attempt: Attempt, into visit: inout BrowserVisit
  ) async throws -> String? {
    let claims = CallbackURL(url)
    var waited = 0.0
    while true {
      let answer = try? await self.load(url)
      try Task.checkCancellation()
      await self.sandbox.ledger.append(
        .callback(
          .init(
            attemptID: attempt.attemptID, tenant: attempt.tenant, tokenSHA256: claims.tokenSHA256,
            isSuccess: isSuccess, claimedUserID: claims.userID, claimedReferenceID: claims.referenceID,
            claimedResource: claims.resource, at: self.sandbox.clock.now().timeIntervalSince1970,
            status: answer?.status, fault: fault?.rawValue)))
      visit.arrivals.append(.init(url: url, status: answer?.status, location: answer?.location, fault: fault))
      if let answer, answer.status < 500 { return answer.location }
      guard waited < self.settings.givesUpAfter else { return nil }
      try await self.sandbox.clock.wait(seconds: self.settings.reloadEvery)
      waited += self.settings.reloadEvery
    }
  }

  // MARK: Loading

  private func load(_ url: String, form: [(String, String)]? = nil) async throws -> (status: Int, location: String?) {
    var request = HTTPClientRequest(url: url)
    request.headers.add(name: "accept", value: "text/html")
    if let form {
      request.method = .POST
      request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
      let text = form.map { FormCoding.encode($0.0) + "=" + FormCoding.encode($0.1) }.joined(separator: "&")
      request.body = .bytes(ByteBuffer(string: text))
    }
    let timeout = TimeAmount.nanoseconds(Int64(self.settings.timeout * 1e9))
    let response = try await self.client.execute(request, timeout: timeout)
    // Reading the rest lets the connection be used again.
    _ = try? await response.body.collect(upTo: 1_048_576)
    return (Int(response.status.code), response.headers.first(name: "location"))
  }

  private static func planned(_ plan: AttemptPlan) -> Decision {
    switch plan.fault(in: .person) {
    case .denial: .deny
    case .abandonment: .abandon
    case .mobileHandover: .handOver
    default: .approve
    }
  }

  private static func outcome(_ decision: Decision) -> LedgerRecord.Outcome.Decision {
    switch decision {
    case .asPlanned, .approve: .approved
    case .deny: .denied
    case .handOver: .handedOver
    case .abandon: .abandoned
    }
  }

  private static func matches(_ url: String, base: String) -> Bool {
    url.split(separator: "?").first == base.split(separator: "?").first
  }
}

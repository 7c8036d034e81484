/// What a browser went through, from Terra's login page to the application.
public struct BrowserVisit: Sendable, Hashable {
  /// One arrival at the registry, or at whatever the attempt's redirect URLs point to.
  public struct Arrival: Sendable, Hashable {
    /// The URL that was asked for.
    public let url: String
    /// The status of the answer; nil where nobody answered.
    public let status: Int?
    /// Where the answer sent the browser.
    public let location: String?
    /// The fault that made this arrival what it is; nil for the honest one.
    public let fault: SandboxFault?
  }

  /// The attempt, as it was before the decision.
  public let attempt: Attempt
  /// The decision.
  public let decision: LedgerRecord.Outcome.Decision
  /// The arrivals in order, failed ones included.
  public internal(set) var arrivals: [Arrival] = []
  /// Where the honest browser ended: the application's URL with what the registry added. Nil where it never came so
  /// far. The application itself is not visited.
  public internal(set) var finalURL: String?
}

/// Why a visit came to nothing. The description holds no address, for it carries the attempt's token.
public enum SandboxBrowserError: Error, Hashable, CustomStringConvertible {
  /// The URL is no login page of the sandbox.
  case notALoginPage
  /// The login page answered with something else than was expected.
  case unexpectedAnswer(status: Int)

  /// What was wrong.
  public var description: String {
    switch self {
    case .notALoginPage: "the URL is no login page of this sandbox; pass the auth_url or the widget's url"
    case .unexpectedAnswer(let status): "the login page answered with status \(status)"
    }
  }
}

/// How a ``SandboxBrowser`` behaves where the registry does not answer.
public struct BrowserSettings: Sendable, Hashable {
  /// How long the browser waits before it tries again, in seconds.
  public var reloadEvery: Double
  /// After how long it stops trying, in seconds.
  public var givesUpAfter: Double
  /// How long an answer may take, in seconds.
  public var timeout: Double
  /// How many pages are loaded at once from one host.
  public var connectionsPerHost: Int

  /// Creates settings.
  ///
  /// - Parameters:
  ///   - reloadEvery: the wait between two tries, in seconds.
  ///   - givesUpAfter: the time after which there is no further try, in seconds.
  ///   - timeout: the time for an answer, in seconds.
  ///   - connectionsPerHost: pages loaded at once from one host.
  public init(
    reloadEvery: Double = 0.5, givesUpAfter: Double = 60, timeout: Double = 10, connectionsPerHost: Int = 32
  ) {
    self.reloadEvery = reloadEvery
    self.givesUpAfter = givesUpAfter
    self.timeout = timeout
    self.connectionsPerHost = connectionsPerHost
  }
}

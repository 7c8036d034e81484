/// A call of the sandbox's API, as it came.
public struct ReceivedCall: Sendable, Hashable {
  /// The method.
  public var method: String
  /// The path.
  public var path: String
  /// The query without the question mark.
  public var query: String
  /// The headers, by names in lower case.
  public var headers: [String: String]
  /// The body.
  public var body: String

  var object: JSONValue {
    [
      "method": .string(method), "path": .string(path), "query": .string(query),
      "headers": .object(headers.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }),
      "body": .string(body),
    ]
  }
}

extension SandboxWorld {
  /// How many calls of an environment are remembered.
  static let rememberedCalls = 100

  /// Remembers a call, and says what it is answered instead of the sandbox's own answer.
  func note(_ call: ReceivedCall, tenant: String) -> ScriptedAnswer? {
    self.calls[tenant, default: []].append(call)
    if let count = self.calls[tenant]?.count, count > Self.rememberedCalls {
      self.calls[tenant]?.removeFirst(count - Self.rememberedCalls)
    }
    guard self.scripted[tenant]?.isEmpty == false else { return nil }
    return self.scripted[tenant]?.removeFirst()
  }

  /// Sets what the next calls are answered.
  func script(_ answers: [ScriptedAnswer], tenant: String) throws(SandboxRefusal) {
    guard self.environment(slug: tenant) != nil else { throw .unknownEnvironment(tenant) }
    self.scripted[tenant] = answers
  }
}

extension Sandbox {
  /// Makes the next calls of an environment's API answer as given, one after the other; then it answers by itself again.
  ///
  /// - Parameters:
  ///   - tenant: the environment's slug.
  ///   - answers: the answers; none takes back those that wait.
  /// - Throws: ``SandboxRefusal/unknownEnvironment(_:)``.
  public func script(tenant: String, _ answers: [ScriptedAnswer]) async throws {
    try await self.world.script(answers, tenant: tenant)
  }

  /// The last hundred calls of an environment's API, oldest first.
  ///
  /// - Parameter tenant: the environment's slug.
  /// - Returns: the calls that its credentials let in.
  public func calls(tenant: String) async -> [ReceivedCall] {
    await self.world.calls[tenant] ?? []
  }
}

import AsyncHTTPClient
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import TerraSandbox
import Testing

/// Stands in for the registry: takes webhooks and callbacks and keeps what came.
final class RegistryDouble: Sendable {
  struct Webhook: Sendable {
    let tenant: String
    let headers: [String: String]
    let body: [UInt8]

    var json: [String: Any] {
      (try? JSONSerialization.jsonObject(with: Data(self.body)) as? [String: Any]) ?? [:]
    }
    var type: String? { self.json["type"] as? String }
    var signature: String { self.headers["x-terra-signature"] ?? self.headers["terra-signature"] ?? "" }
  }

  private let webhooks = Mutex<[Webhook]>([])
  private let callbacks = Mutex<[String]>([])
  /// Answers the n-th webhook and the n-th callback, from 1.
  let webhookStatus: @Sendable (Int) -> Int
  let callbackStatus: @Sendable (Int) -> Int
  /// Holds the webhooks' answers back.
  let gate: Gate?

  init(
    webhookStatus: @escaping @Sendable (Int) -> Int = { _ in 200 },
    callbackStatus: @escaping @Sendable (Int) -> Int = { _ in 303 }, gate: Gate? = nil
  ) {
    self.gate = gate
    self.webhookStatus = webhookStatus
    self.callbackStatus = callbackStatus
  }

  /// The webhooks so far, in the order of arrival.
  var received: [Webhook] { self.webhooks.withLock { $0 } }
  /// The callbacks' paths and queries so far, in the order of arrival.
  var visited: [String] { self.callbacks.withLock { $0 } }

  func router() -> Router<BasicRequestContext> {
    let router = Router()
    router.post("webhooks/terra/:tenant") { request, context in
      let body = try await request.body.collect(upTo: 64 << 20)
      var headers: [String: String] = [:]
      for field in request.headers { headers[field.name.canonicalName] = field.value }
      let webhook = Webhook(
        tenant: context.parameters.get("tenant") ?? "", headers: headers, body: Array(body.readableBytesView))
      let number = self.webhooks.withLock { webhooks in
        webhooks.append(webhook)
        return webhooks.count
      }
      await self.gate?.pass()
      return Response(status: .init(code: self.webhookStatus(number)))
    }
    router.get("callbacks/terra/:tenant/:attempt/:outcome") { request, _ in
      let number = self.callbacks.withLock { callbacks in
        callbacks.append(request.uri.string)
        return callbacks.count
      }
      return Response(
        status: .init(code: self.callbackStatus(number)), headers: [.location: "https://app.example/devices"])
    }
    return router
  }
}

/// A clock that never waits: it notes what it was asked for and moves on at once.
final class JumpingClock: SandboxClock {
  private struct State {
    var now = Date(timeIntervalSince1970: 1_767_225_600)
    var waits: [Double] = []
  }

  private let state = Mutex(State())

  func now() -> Date { self.state.withLock { $0.now } }

  func wait(seconds: Double) async throws {
    try Task.checkCancellation()
    guard seconds > 0 else { return }
    self.state.withLock { state in
      state.now.addTimeInterval(seconds)
      state.waits.append(seconds)
    }
  }

  var waits: [Double] { self.state.withLock { $0.waits } }
}

/// A running sandbox with a registry to talk to.
struct Stage: Sendable {
  let sandbox: Sandbox
  let registry: RegistryDouble
  let client: HTTPClient
  let base: String
  /// The registry's redirect URL of an attempt, success or failure.
  let callback: @Sendable (_ tenant: String, _ token: String, _ outcome: String) -> String

  /// A call of Terra's API as an environment of a slug.
  func call(
    _ method: HTTPRequest.Method, _ path: String, slug: String = "acme", json: String? = nil,
    headers: [String: String]? = nil
  ) async throws -> (status: Int, body: Data, contentType: String) {
    var request = HTTPClientRequest(url: self.base + path)
    request.method = HTTPMethod(rawValue: method.rawValue)
    for (name, value) in headers ?? ["dev-id": "\(slug)-dev-id", "x-api-key": "\(slug)-api-key"] {
      request.headers.add(name: name, value: value)
    }
    if let json {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(string: json))
    }
    let response = try await self.client.execute(request, timeout: .seconds(300))
    let body = Data(try await response.body.collect(upTo: 1 << 20).readableBytesView)
    return (Int(response.status.code), body, response.headers.first(name: "content-type") ?? "")
  }

  /// Loads a page, or sends a form to it.
  func load(_ url: String, form: String? = nil) async throws -> (status: Int, location: String?, text: String) {
    var request = HTTPClientRequest(url: url)
    if let form {
      request.method = .POST
      request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
      request.body = .bytes(ByteBuffer(string: form))
    }
    let response = try await self.client.execute(request, timeout: .seconds(300))
    let text = String(buffer: try await response.body.collect(upTo: 1 << 20))
    return (Int(response.status.code), response.headers.first(name: "location"), text)
  }

  /// Begins an attempt by Terra's API.
  func begin(
    _ kind: AttemptKind, slug: String = "acme", referenceID: String? = "person-1", resource: String = "OURA",
    token: String = "0123456789abcdef0123456789abcdef"
  ) async throws -> String {
    let success = self.callback(slug, token, "success")
    let failure = self.callback(slug, token, "failure")
    let reference = referenceID.map { "\"\($0)\"" } ?? "null"
    let urls = """
      "reference_id":\(reference),"auth_success_redirect_url":"\(success)","auth_failure_redirect_url":"\(failure)"
      """
    switch kind {
    case .direct:
      let reply = try await self.call(
        .post, "/v2/auth/authenticateUser?resource=\(resource)", slug: slug, json: "{\(urls)}")
      return try #require(reply.body.object["auth_url"] as? String)
    case .widget:
      let reply = try await self.call(.post, "/api/widget/session", slug: slug, json: "{\(urls)}")
      return try #require(reply.body.object["url"] as? String)
    }
  }
}

extension Data {
  /// The bytes as a JSON object; empty where they are none.
  var object: [String: Any] { (try? JSONSerialization.jsonObject(with: self) as? [String: Any]) ?? [:] }
}

/// Runs a sandbox and a registry's double on free ports for as long as a closure runs.
func withStage(
  _ configuration: SandboxConfiguration? = nil, slugs: [String] = ["acme"],
  generation: SandboxGeneration = .access, faults: FaultSettings = FaultSettings(),
  delivery: DeliverySettings = DeliverySettings(baseDelay: 0.05, maximumTries: 3, timeout: 5),
  thresholds: SandboxThresholds = SandboxThresholds(grace: 0.5, expiry: 1, horizon: 6),
  clock: any SandboxClock = WallClock(), registry: RegistryDouble = RegistryDouble(),
  _ body: @escaping @Sendable (Stage) async throws -> Void
) async throws {
  let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  let (ports, port) = AsyncStream<Int>.makeStream()
  let app = Application(
    router: registry.router(), configuration: .init(address: .hostname("127.0.0.1", port: 0)),
    onServerRunning: { channel in port.yield(channel.localAddress?.port ?? 0) }, logger: logger)
  // On a busy machine a connection may take its time.
  let client = HTTPClient(
    eventLoopGroupProvider: .singleton,
    configuration: .init(redirectConfiguration: .disallow, timeout: .init(connect: .minutes(5))))
  let outcome: Result<Void, any Error>
  do {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await runEndingGracefully(app, logger: logger) }
      var bound = 0
      for await number in ports {
        bound = number
        break
      }
      let origin = "http://127.0.0.1:\(bound)"
      let environments = slugs.map { slug in
        SandboxEnvironment(slug: slug, webhookURL: "\(origin)/webhooks/terra/\(slug)", generation: generation)
      }
      let sandbox = try Sandbox(
        configuration: configuration
          ?? SandboxConfiguration(
            environments: environments, delivery: delivery, thresholds: thresholds, faults: faults),
        clock: clock, logger: logger)
      group.addTask { try await sandbox.run() }
      let base = "http://127.0.0.1:\(try await sandbox.boundPort())"
      let stage = Stage(
        sandbox: sandbox, registry: registry, client: client, base: base,
        callback: { tenant, token, outcome in "\(origin)/callbacks/terra/\(tenant)/\(token)/\(outcome)" })
      try await body(stage)
      group.cancelAll()
    }
    outcome = .success(())
  } catch {
    outcome = .failure(error)
  }
  try await client.shutdown()
  try outcome.get()
}

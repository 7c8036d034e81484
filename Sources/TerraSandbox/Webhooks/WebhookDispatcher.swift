import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Sends webhooks and tries them again, and does whatever else happens some time later.
///
/// Work can be handed over before ``run(client:)`` is called; it begins then.
final class WebhookDispatcher: Sendable {
  private typealias Work = @Sendable (WebhookDispatcher, HTTPClient) async -> Void

  private let settings: DeliverySettings
  private let clock: any SandboxClock
  private let ledger: SandboxLedger
  private let logger: Logger
  private let address: @Sendable (String) async -> String?
  private let stream: AsyncStream<Work>
  private let continuation: AsyncStream<Work>.Continuation
  private let limit: ConcurrencyLimit
  private let idle = Mutex(Idle())

  private struct Idle {
    var pending = 0
    /// Of these, what those that wait for another webhook wait for.
    var followed: [String: StartupSignal<Void>] = [:]
    var waiters: [UUID: CheckedContinuation<Void, Never>] = [:]
  }

  /// Creates a dispatcher; `address` tells the present webhook URL of a tenant and is asked before each try.
  init(
    settings: DeliverySettings, clock: any SandboxClock, ledger: SandboxLedger, logger: Logger,
    address: @escaping @Sendable (String) async -> String?
  ) {
    self.settings = settings
    self.clock = clock
    self.ledger = ledger
    self.logger = logger
    self.address = address
    self.limit = ConcurrencyLimit(settings.concurrency)
    (self.stream, self.continuation) = AsyncStream.makeStream()
  }

  /// How many pieces of work are not finished, those that wait for their time included.
  var pending: Int { self.idle.withLock { $0.pending } }

  /// How many of these wait for the first try of another webhook.
  var following: Int { self.idle.withLock { $0.followed.values.count { !$0.isResolved } } }

  /// Sends a webhook until it is answered with 2xx or its tries are used up.
  func deliver(_ webhook: Webhook) {
    self.submit { dispatcher, client in await dispatcher.send(webhook, client: client) }
  }

  /// Does something after some time.
  func after(seconds: Double, _ work: @escaping @Sendable () async -> Void) {
    self.submit { dispatcher, _ in
      guard (try? await dispatcher.clock.wait(seconds: seconds)) != nil else { return }
      await work()
    }
  }

  /// Returns when nothing is left to send or to do, or when the task is cancelled.
  func waitUntilIdle() async {
    let waiter = UUID()
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = self.idle.withLock { idle in
          if idle.pending == 0 || Task.isCancelled { return true }
          idle.waiters[waiter] = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      self.idle.withLock { $0.waiters.removeValue(forKey: waiter) }?.resume()
    }
  }

  /// Works until the task is cancelled.
  func run(client: HTTPClient) async {
    await withDiscardingTaskGroup { group in
      for await work in self.stream {
        group.addTask {
          await work(self, client)
          self.finishOne()
        }
      }
      group.cancelAll()
    }
  }

  private func submit(_ work: @escaping Work) {
    self.idle.withLock { $0.pending += 1 }
    self.continuation.yield(work)
  }

  private func finishOne() {
    let waiters = self.idle.withLock { idle -> [CheckedContinuation<Void, Never>] in
      idle.pending -= 1
      guard idle.pending == 0 else { return [] }
      defer { idle.waiters = [:] }
      return Array(idle.waiters.values)
    }
    for waiter in waiters { waiter.resume() }
    self.clock.noteProgress()
  }

  private func follow(_ signal: StartupSignal<Void>, by emissionID: String) async {
    self.idle.withLock { $0.followed[emissionID] = signal }
    self.clock.noteProgress()
    try? await signal.value()
    self.idle.withLock { $0.followed[emissionID] = nil }
  }

  private func send(_ webhook: Webhook, client: HTTPClient) async {
    // Whoever follows must not wait for one that is given up.
    defer { webhook.announces?.resolve(.success(())) }
    if let follows = webhook.follows { await self.follow(follows, by: webhook.emissionID) }
    guard (try? await self.clock.wait(seconds: webhook.holdBack)) != nil else { return }
    for number in 1...self.settings.maximumTries {
      let answered = await self.limit.withPermit { await self.trySending(webhook, number: number, client: client) }
      webhook.announces?.resolve(.success(()))
      if answered || number == self.settings.maximumTries { return }
      let delay = self.settings.delay(afterTry: number)
      guard (try? await self.clock.wait(seconds: delay)) != nil else { return }
    }
  }

  /// One try. Returns whether nothing more is to be done.
  private func trySending(_ webhook: Webhook, number: Int, client: HTTPClient) async -> Bool {
    guard !Task.isCancelled, let url = await self.address(webhook.tenant) else { return true }
    let isSignedAnew = number > 1 && self.settings.resignsRetries
    let signedAt = isSignedAnew ? Int64(self.clock.now().timeIntervalSince1970) : webhook.signedAt
    let signature = webhook.body.signature(secret: webhook.secret, timestamp: signedAt)
    var request = HTTPClientRequest(url: url)
    request.method = .POST
    for (name, value) in webhook.headers(signature: signature) { request.headers.add(name: name, value: value) }
    switch webhook.body {
    case .whole(let bytes): request.body = .bytes(ByteBuffer(bytes: bytes))
    case .repeated: request.body = .stream(webhook.body, length: .known(Int64(webhook.body.count)))
    }
    let start = ContinuousClock.now
    var status: Int?
    do {
      let timeout = TimeAmount.nanoseconds(Int64(self.settings.timeout * 1e9))
      let response = try await client.execute(request, timeout: timeout)
      // Reading the rest lets the connection be used again; what a long answer says is of no interest.
      _ = try? await response.body.collect(upTo: 65_536)
      status = Int(response.status.code)
    } catch {
      if Task.isCancelled { return true }
      self.logger.debug("A webhook was not answered", metadata: ["tenant": "\(webhook.tenant)", "try": "\(number)"])
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    await self.ledger.append(
      .delivery(
        .init(
          emissionID: webhook.emissionID, tenant: webhook.tenant, number: number,
          at: self.clock.now().timeIntervalSince1970, status: status, latencySeconds: seconds, signedAt: signedAt)))
    return status.map { (200..<300).contains($0) } ?? false
  }
}

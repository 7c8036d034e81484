import Foundation
import Logging
import Metrics
import NIOConcurrencyHelpers
import RegistryPostgres
import RegistrySQL

/// Delivers what is due at one endpoint, while it holds the endpoint's lease, until nothing is due any more.
///
/// Connections are served side by side, the changes of one connection one after another: a change waits for the one
/// before it, and for nobody else.
final class EndpointWorker: Sendable {
  /// What all workers of a process share.
  struct Context: Sendable {
    let database: RegistryDatabase
    let keyRing: MasterKeyRing
    let settings: DeliveryConfiguration
    let resolver: HostResolver
    let places: NIOLockedValueBox<DeliveryPlaces>
    let logger: Logger
  }

  private enum Word {
    /// There may be more to do.
    case look
    /// The lease is to be kept.
    case renew
    /// No attempt may begin any more.
    case end
    /// The attempts under way are broken off.
    case abort
    case finished(queue: String, hasMore: Bool)
  }

  private struct Target: Sendable {
    /// Nil where the URL cannot be called any more.
    var session: DeliverySession?
    var secrets: [EndpointSecret]
    var failingSince: Date?
  }

  private struct State {
    var leaseEnd: ContinuousClock.Instant
    var isStopped = false
    var attempts = 0
  }

  /// How many connections are asked for at once, and how many changes of each.
  static let queuesPerLook = 32
  static let itemsPerQueue = 16

  private let tenantID: UUID
  private let endpointID: UUID
  private let leaseID = UUID.version7()
  private let context: Context
  private let recorder: DeliveryRecorder
  private let words: AsyncStream<Word>
  private let input: AsyncStream<Word>.Continuation
  private let state: NIOLockedValueBox<State>
  private let session = NIOLockedValueBox<DeliverySession?>(nil)

  init(tenantID: UUID, endpointID: UUID, context: Context) {
    self.tenantID = tenantID
    self.endpointID = endpointID
    self.context = context
    recorder = DeliveryRecorder(database: context.database, tenantID: tenantID, endpointID: endpointID)
    (words, input) = AsyncStream.makeStream(of: Word.self)
    state = NIOLockedValueBox(State(leaseEnd: .now))
  }

  /// Says that something more may be due.
  func wake() { input.yield(.look) }

  /// Begins no attempt any more; ``run()`` returns when those under way are over.
  func end() {
    // At once, also where nobody reads the words because a backlog is being released.
    stop()
    input.yield(.end)
  }

  /// Breaks the attempts under way off; whether they arrived stays open, and they go out again.
  func abort() {
    stop()
    input.yield(.abort)
  }

  /// Works until nothing is due.
  ///
  /// - Returns: how many attempts were made.
  func run() async -> Int {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { [input, lease = context.settings.lease] in
        while (try? await Task.sleep(for: lease / 4)) != nil { input.yield(.renew) }
      }
      await work(&group)
      group.cancelAll()
    }
    // In a task of its own, because a cancelled one could not give the endpoint back.
    await Task {
      _ = try? await context.database.run(
        tenantID, locking: [endpointID.text],
        RegistryStatements.endpointRelease(.uuid(tenantID), .uuid(endpointID), .uuid(leaseID)))
      await session.withLockedValue { $0 }?.close()
    }.value
    return state.withLockedValue { $0.attempts }
  }

  private func work(_ group: inout TaskGroup<Void>) async {
    var busy: Set<String> = []
    var ready: [DeliveryRun] = []
    var target: Target?
    var mustLook = true
    var words = self.words.makeAsyncIterator()
    while true {
      if mustLook, ready.isEmpty, !isStopped {
        mustLook = false
        do {
          guard let found = try await look(besides: busy, target) else {
            stop()
            continue
          }
          (target, ready) = found
          mustLook = ready.count == Self.queuesPerLook
        } catch {
          context.logger.debug("deliveries could not be read", metadata: ["error": "\(error)"])
          stop()
        }
      }
      while let target, !isStopped, let run = ready.first, let isFailing = takePlace(target) {
        ready.removeFirst()
        busy.insert(run.queue)
        group.addTask { [self] in
          let hasMore = await deliver(run, to: target)
          context.places.withLockedValue {
            $0.giveBack(tenantID: tenantID, endpointID: endpointID, isFailing: isFailing)
          }
          input.yield(.finished(queue: run.queue, hasMore: hasMore))
        }
      }
      // What found no place is left to whoever looks next.
      guard !busy.isEmpty, let word = await words.next() else { return }
      switch word {
      case .look: mustLook = true
      case .end: stop()
      case .abort: return stop()
      case .renew:
        await renew()
        mustLook = true
      case .finished(let queue, let hasMore):
        busy.remove(queue)
        if hasMore || busy.isEmpty && ready.isEmpty { mustLook = true }
      }
    }
  }

  private var isStopped: Bool { state.withLockedValue { $0.isStopped } }

  private func stop() { state.withLockedValue { $0.isStopped = true } }

  private func takePlace(_ target: Target) -> Bool? {
    let isFailing = target.failingSince != nil
    return context.places.withLockedValue {
      $0.take(tenantID: tenantID, endpointID: endpointID, isFailing: isFailing) ? isFailing : nil
    }
  }

  /// Takes or keeps the lease, and reads what to do next; nil where the endpoint is another's or wants nothing.
  private func look(besides busy: Set<String>, _ known: Target?) async throws -> (Target, [DeliveryRun])? {
    let (id, endpoint, lease) = (
      PostgresParameter.uuid(tenantID), PostgresParameter.uuid(endpointID), PostgresParameter.uuid(leaseID)
    )
    let now = PostgresParameter.timestamp(context.settings.clock())
    let asked = ContinuousClock.now
    let results = try await context.database.run(
      tenantID, locking: [endpointID.text],
      [
        RegistryStatements.endpointClaim(id, endpoint, lease, .double(context.settings.lease.inSeconds)),
        RegistryStatements.endpointTarget(id, endpoint, lease, now),
        RegistryStatements.deliveryNext(
          id, endpoint, lease, now, .int(Self.queuesPerLook), .textArray(busy.sorted()), .int(Self.itemsPerQueue)),
      ])
    guard results[0].affectedRows == 1, let row = results[1].rows.first else { return nil }
    state.withLockedValue { $0.leaseEnd = asked + context.settings.lease }
    if let since = try row.decodeIfPresent("backlog_due_at", as: Date.self) {
      let backlog = EndpointBacklog(
        dueSince: since, resets: try row.decode("backlog_resets"), tenantID: tenantID, endpointID: endpointID)
      guard try await release(backlog) else { return nil }
      return try await look(besides: busy, known)
    }
    let runs = try DeliveryRun.runs(of: results[2].rows, limit: Self.itemsPerQueue)
    let waiting = runs.filter { $0.waitsUntil != nil }
    if !waiting.isEmpty {
      _ = try await context.database.run(
        tenantID, locking: [endpointID.text],
        RegistryStatements.deliveryWait(
          id, endpoint, .textArray(waiting.map(\.queue)), .timestampArray(waiting.map(\.waitsUntil))))
    }
    return (try await target(of: row, known), runs.filter { !$0.items.isEmpty })
  }

  /// Tells all that waits that it is due, before anything of it goes out; the lease is kept meanwhile.
  ///
  /// - Returns: false where it is to be left to another, or to a later look: somebody is writing what is not told yet.
  private func release(_ backlog: EndpointBacklog) async throws -> Bool {
    while !isStopped, !Task.isCancelled {
      guard try await backlog.releaseSlice(of: context.settings.releasedAtOnce, in: context.database) else {
        return try await backlog.end(in: context.database, leaseID: leaseID)
      }
      await renew()
      guard state.withLockedValue({ ContinuousClock.now < $0.leaseEnd }) else { return false }
    }
    return false
  }

  /// Keeps the lease while long attempts are under way.
  private func renew() async {
    let asked = ContinuousClock.now
    let kept = try? await context.database.run(
      tenantID, locking: [endpointID.text],
      RegistryStatements.endpointClaim(
        .uuid(tenantID), .uuid(endpointID), .uuid(leaseID), .double(context.settings.lease.inSeconds)))
    if kept?.affectedRows == 1 { state.withLockedValue { $0.leaseEnd = asked + context.settings.lease } }
  }

  private func target(of row: PostgresRow, _ known: Target?) async throws -> Target {
    let text: String = try row.decode("url")
    var secrets: [EndpointSecret] = []
    for column in ["sealed_secret", "sealed_previous"] {
      guard let sealed = try row.decodeIfPresent(column, as: [UInt8].self) else { continue }
      let opened = try context.keyRing.open(sealed, tenantID: tenantID, purpose: .endpointSecret)
      if let secret = EndpointSecret(String(decoding: opened, as: UTF8.self)) { secrets.append(secret) }
    }
    let since = try row.decodeIfPresent("failing_since", as: Date.self)
    if let known, known.session?.url.text == text {
      return Target(session: known.session, secrets: secrets, failingSince: since)
    }
    var target = Target(session: nil, secrets: secrets, failingSince: since)
    do {
      let url = try EndpointURL(text, environment: try row.decode("environment"))
      let made = DeliverySession(
        url, of: tenantID, settings: context.settings, resolver: context.resolver, turn: Int.random(in: 0..<1_024))
      target.session = made
      await session.withLockedValue { box in
        defer { box = made }
        return box
      }?.close()
    } catch is RegistryError {
      // Each attempt says so.
    }
    return target
  }

  /// Delivers a connection's changes, one after another, up to the first that fails.
  ///
  /// - Returns: whether more of them may be due.
  private func deliver(_ run: DeliveryRun, to target: Target) async -> Bool {
    for item in run.items {
      // An attempt that outlives the lease could overlap with another's.
      let mayBegin = state.withLockedValue { state in
        guard !state.isStopped, ContinuousClock.now + context.settings.deadline < state.leaseEnd else { return false }
        state.attempts += 1
        return true
      }
      guard mayBegin, !Task.isCancelled else { return false }
      let now = context.settings.clock()
      let began = ContinuousClock.now
      var outcome = DeliveryOutcome.failed(DeliveryFailure(.invalidURL))
      if let session = target.session {
        do {
          outcome = try await session.send(id: item.deliveryID.text, body: item.body, secrets: target.secrets, at: now)
        } catch HostResolver.Failure.noTurn {
          // Nothing was asked of the endpoint, so nothing is held against it: the delivery stays due.
          context.logger.debug("a host was not looked up in time", metadata: ["endpoint": "\(endpointID.text)"])
          return false
        } catch {
          return false
        }
      }
      count(outcome, began)
      let verdict = DeliveryVerdict(
        outcome, attempts: item.attempts, dueSince: item.dueSince, failingSince: target.failingSince, at: now,
        settings: context.settings, chance: Double.random(in: 0...1))
      do {
        let isDisabled = try await recorder.record(
          .init(
            item: item, queue: run.queue, outcome: outcome, verdict: verdict, at: context.settings.clock(),
            failingSince: target.failingSince))
        if isDisabled { tellDisabled(verdict.disables) }
        context.settings.recorded()
      } catch {
        // It goes out once more, under the same id.
        context.logger.debug("an attempt could not be recorded", metadata: ["error": "\(error)"])
        return false
      }
      if verdict.pausedUntil != nil || verdict.disables != nil { stop() }
      if case .retry = verdict.next { return false }
    }
    return run.isCut
  }

  private func count(_ outcome: DeliveryOutcome, _ began: ContinuousClock.Instant) {
    let word =
      switch outcome {
      case .delivered: "delivered"
      case .failed(let failure): failure.reason.rawValue
      }
    Counter(label: "registry_delivery_attempts_total", dimensions: [("outcome", word)]).increment()
    Metrics.Timer(label: "registry_delivery_attempt_seconds").recordSeconds((ContinuousClock.now - began).inSeconds)
  }

  private func tellDisabled(_ reason: Endpoint.DisabledReason?) {
    context.logger.warning(
      "an endpoint was disabled",
      metadata: [
        "tenant_id": "\(tenantID.text)", "endpoint": "\(endpointID.text)", "reason": "\(reason?.rawValue ?? "")",
      ])
    Counter(
      label: "registry_endpoints_disabled_total", dimensions: [("reason", reason?.rawValue ?? "")]
    ).increment()
  }
}

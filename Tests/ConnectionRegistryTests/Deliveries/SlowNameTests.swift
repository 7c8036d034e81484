@testable import ConnectionRegistry
import Foundation
import Logging
import NIOConcurrencyHelpers
import RegistryModel
import TestDatabase
import TestReceiver
import Testing

/// Hosts whose name servers do not answer: nobody but their own tenant's deliveries waits for them, and none for longer than
/// it may.
@Suite(.migratedDatabase, .timeLimit(.minutes(20))) struct SlowNameTests {
  /// Name servers that say nothing about some hosts until they are let.
  private final class Names: @unchecked Sendable {
    private let condition = NSCondition()
    private var isHolding = true
    private var asked: [String] = []
    private let stream: AsyncStream<String>
    private let heard: AsyncStream<String>.Continuation

    init(isHolding: Bool = true) {
      self.isHolding = isHolding
      (stream, heard) = AsyncStream.makeStream(of: String.self)
    }

    /// The hosts whose look-ups have begun, as they begin.
    var begun: AsyncStream<String>.Iterator { stream.makeAsyncIterator() }

    var count: Int { condition.withLock { asked.count } }

    func hold() { condition.withLock { isHolding = true } }

    func letGo() {
      condition.withLock {
        isHolding = false
        condition.broadcast()
      }
    }

    func resolver(_ limits: HostResolver.Limits = HostResolver.Limits()) -> HostResolver {
      HostResolver(limits: limits) { [self] host in
        condition.withLock {
          asked.append(host)
          heard.yield(host)
          while host.hasPrefix("slow"), isHolding { condition.wait() }
        }
        return [NetworkAddress("127.0.0.1")].compactMap { $0 }
      }
    }
  }

  private static let long: Duration = .seconds(600)

  @Test func aLookUpThatHangsDoesNotOutlastTheDeadline() async throws {
    let names = Names()
    defer { names.letGo() }
    await #expect(throws: HostResolver.Failure.unresolved) {
      try await names.resolver().addresses(of: "slow.example", for: UUID(), within: .milliseconds(100))
    }
    var begun = names.begun
    #expect(await begun.next() == "slow.example")
    #expect(names.count == 1)
  }

  /// As at a shutdown, when attempts are broken off.
  @Test func aLookUpThatHangsDoesNotOutlastItsTask() async throws {
    let names = Names()
    defer { names.letGo() }
    let resolver = names.resolver()
    let look = Task { try await resolver.addresses(of: "slow.example", for: UUID(), within: Self.long) }
    var begun = names.begun
    _ = await begun.next()
    look.cancel()
    await #expect(throws: CancellationError.self) { _ = try await look.value }
  }

  @Test func slowHostsOfOneTenantHoldUpNoOther() async throws {
    let names = Names()
    defer { names.letGo() }
    let (slow, other) = (UUID(), UUID())
    let resolver = names.resolver(.init(perTenant: 4, total: 8))
    let looks = (0..<20).map { number in
      Task { try await resolver.addresses(of: "slow-\(number).example", for: slow, within: Self.long) }
    }
    var begun = names.begun
    for _ in 0..<4 { _ = await begun.next() }
    let found = try await resolver.addresses(of: "quick.example", for: other, within: .seconds(60))
    #expect(found == [NetworkAddress("127.0.0.1")])
    #expect(names.count == 5, "more than four of one tenant's were under way")
    names.letGo()
    for look in looks { #expect(try await look.value.count == 1) }
    #expect(names.count == 21)
  }

  /// What came while others had the threads is told apart from what was asked in vain.
  @Test func aLookUpThatNeverHadAThreadIsToldApart() async throws {
    let names = Names()
    defer { names.letGo() }
    let tenant = UUID()
    let resolver = names.resolver(.init(perTenant: 1, total: 8))
    let first = Task { try await resolver.addresses(of: "slow.example", for: tenant, within: Self.long) }
    var begun = names.begun
    _ = await begun.next()
    await #expect(throws: HostResolver.Failure.noTurn) {
      try await resolver.addresses(of: "quick.example", for: tenant, within: .milliseconds(100))
    }
    // The same host is under way already: whoever wants it waits for that.
    for _ in 0..<3 {
      await #expect(throws: HostResolver.Failure.unresolved) {
        try await resolver.addresses(of: "slow.example", for: tenant, within: .milliseconds(100))
      }
    }
    #expect(names.count == 1)
    names.letGo()
    #expect(try await first.value.count == 1)
    #expect(try await resolver.addresses(of: "quick.example", for: tenant, within: Self.long).count == 1)
  }

  @Test func anEndpointIsRefusedInTimeWhileItsNameIsLookedUp() async throws {
    let names = Names()
    defer { names.letGo() }
    let settings = DeliveryConfiguration.forTests {
      $0.deadline = .milliseconds(100)
      $0.hostResolver = names.resolver()
    }
    try await withStage(.delivering(settings)) { stage in
      await expectError(.invalidRequest) {
        _ = try await stage.registry.endpoints.add(tenant: "acme", NewEndpoint(url: "http://slow.example/x"))
      }
    }
  }

  /// Another host of the tenant has its only thread: nothing was asked of this endpoint, and nothing is held against it.
  @Test func anEndpointDoesNotFailBecauseNobodyLookedItUp() async throws {
    let names = Names(isHolding: false)
    defer { names.letGo() }
    let resolver = names.resolver(.init(perTenant: 1, total: 8))
    try await Receiver.with { receiver in
      let settings = DeliveryConfiguration.forTests {
        $0.areSent = false
        $0.deadline = .seconds(20)
        $0.lease = .seconds(60)
        $0.hostResolver = resolver
      }
      try await withStage(.delivering(settings)) { stage in
        _ = try await stage.registry.endpoints.add(
          tenant: "acme", NewEndpoint(url: "http://quick.example:\(receiver.port)/x"))
        names.hold()
        let other = Task {
          try await resolver.addresses(of: "slow.example", for: TenantID.of(slug: "acme"), within: Self.long)
        }
        var begun = names.begun
        while await begun.next() != "slow.example" {}
        try await stage.change("user-1", 1)
        var sending = stage.configuration
        sending.deliveries.areSent = true
        // Only what is looked up in vain is to be over soon; what finds an address has its time.
        var impatient = sending
        impatient.deliveries.deadline = .milliseconds(200)
        impatient.deliveries.lease = .seconds(2)
        let (messages, heard) = AsyncStream.makeStream(of: String.self)
        let replica = ConnectionRegistry(
          configuration: impatient, logger: Logger(label: "test") { _ in DebugLog(heard: heard) })
        let waiting = Task { try await replica.run() }
        for await message in messages where message == "a host was not looked up in time" { break }
        waiting.cancel()
        _ = await waiting.result
        let untouched = "endpoint e JOIN registry.delivery d USING (tenant_id, endpoint_id)"
        let unasked = "e.failing_since IS NULL AND d.attempts = 0 AND d.last_error IS NULL"
        #expect(try await stage.count("\(untouched) WHERE \(unasked)") == 1)
        names.letGo()
        _ = try await other.value
        let patient = ConnectionRegistry(configuration: sending, logger: stage.registry.logger)
        let run = Task { try await patient.run() }
        await receiver.wait(taken: 1)
        try await stage.settleDeliveries()
        #expect(try await stage.count("delivery WHERE attempts = 1 AND state = 'delivered'") == 1)
        run.cancel()
        _ = await run.result
      }
    }
  }
}

/// A log whose messages a test hears.
private struct DebugLog: LogHandler {
  let heard: AsyncStream<String>.Continuation
  var logLevel = Logger.Level.debug
  var metadata: Logger.Metadata = [:]

  init(heard: AsyncStream<String>.Continuation) { self.heard = heard }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { heard.yield(event.message.description) }
}

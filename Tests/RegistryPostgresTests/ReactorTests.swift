import Glibc
import Testing

@testable import RegistryPostgres

/// One suite for every way of polling that there is.
@Suite struct ReactorTests {
  enum Kind: CaseIterable {
    case poll
    #if os(Linux)
      case epoll
    #endif

    func makePoller() throws -> any ReadinessPoller {
      switch self {
      case .poll: try PollPoller()
      #if os(Linux)
        case .epoll: try EpollPoller()
      #endif
      }
    }
  }

  /// Two ends of a socket, and a reactor of its own that watches the first.
  private final class Fixture {
    let reactor: Reactor
    let near: CInt
    let far: CInt
    let registration: Registration

    init(_ kind: Kind) throws {
      reactor = Reactor(poller: try kind.makePoller())
      var ends: [CInt] = [0, 0]
      try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
      (near, far) = (ends[0], ends[1])
      for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
      registration = try reactor.register(duplicating: near)
    }

    func send() { _ = write(far, "x", 1) }

    func fill() { while write(near, "x", 1) == 1 {} }

    func empty(_ end: CInt) {
      var buffer = [UInt8](repeating: 0, count: 4096)
      while read(end, &buffer, buffer.count) > 0 {}
    }

    deinit {
      registration.close()
      close(near)
      close(far)
      reactor.stop()
    }
  }

  @Test(arguments: Kind.allCases) func reportsWhatIsThereAlready(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    fixture.send()
    let registration = fixture.registration
    #expect(await registration.wait(for: .read, until: nil, observingCancellation: false) == .ready)
    // One report per arming, and the byte is still there.
    #expect(await registration.wait(for: .read, until: nil, observingCancellation: false) == .ready)
    #expect(registration.isReadable)
    withExtendedLifetime(fixture) {}
  }

  @Test(arguments: Kind.allCases) func reportsWhatComesLater(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    let registration = fixture.registration
    #expect(!registration.isReadable)
    for _ in 0..<100 {
      async let wakeup = registration.wait(for: .read, until: nil, observingCancellation: false)
      fixture.send()
      #expect(await wakeup == .ready)
      fixture.empty(fixture.near)
    }
  }

  @Test(arguments: Kind.allCases) func reportsRoomToWrite(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    let registration = fixture.registration
    #expect(await registration.wait(for: .write, until: nil, observingCancellation: false) == .ready)
    fixture.fill()
    #expect(
      await registration.wait(for: .write, until: .now + .milliseconds(20), observingCancellation: false) == .timedOut)
    async let wakeup = registration.wait(for: [.read, .write], until: nil, observingCancellation: false)
    fixture.empty(fixture.far)
    #expect(await wakeup == .ready)
  }

  @Test(arguments: Kind.allCases) func endsAtTheDeadline(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    let registration = fixture.registration
    let deadline = ContinuousClock.now + .milliseconds(30)
    #expect(await registration.wait(for: .read, until: deadline, observingCancellation: false) == .timedOut)
    #expect(ContinuousClock.now >= deadline)
    // A shorter deadline after a longer one is not missed.
    #expect(
      await registration.wait(for: .read, until: .now + .milliseconds(1), observingCancellation: false) == .timedOut)
    fixture.send()
    #expect(await registration.wait(for: .read, until: .now + .seconds(60), observingCancellation: false) == .ready)
    withExtendedLifetime(fixture) {}
  }

  @Test(arguments: Kind.allCases) func endsWithCancellation(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    let registration = fixture.registration
    let task = Task {
      await withTaskCancellationHandler {
        await registration.wait(for: .read, until: nil, observingCancellation: true)
      } onCancel: {
        registration.cancel()
      }
    }
    task.cancel()
    #expect(await task.value == .cancelled)
    // A wait that does not observe cancellation is left alone.
    async let wakeup = registration.wait(for: .read, until: nil, observingCancellation: false)
    registration.cancel()
    fixture.send()
    #expect(await wakeup == .ready)
  }

  @Test(arguments: Kind.allCases) func endsWithClosing(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    let registration = fixture.registration
    async let wakeup = registration.wait(for: .read, until: nil, observingCancellation: false)
    registration.close()
    #expect(await wakeup == .closed)
    #expect(await registration.wait(for: .read, until: nil, observingCancellation: false) == .closed)
    registration.close()
    withExtendedLifetime(fixture) {}
  }

  @Test(arguments: Kind.allCases) func refusesASecondWaiter(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    let registration = fixture.registration
    await withTaskGroup(of: Wakeup.self) { group in
      for _ in 0..<2 {
        group.addTask {
          await registration.wait(for: .read, until: .now + .seconds(60), observingCancellation: false)
        }
      }
      #expect(await group.next() == .closed)
      fixture.send()
      #expect(await group.next() == .ready)
    }
  }

  @Test(arguments: Kind.allCases) func noticesAHangUp(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    let registration = fixture.registration
    async let wakeup = registration.wait(for: .read, until: nil, observingCancellation: false)
    shutdown(fixture.far, CInt(SHUT_RDWR))
    #expect(await wakeup == .ready)
    #expect(registration.isReadable)
  }

  @Test(arguments: Kind.allCases) func survivesItsDescriptorBeingClosedAndReused(kind: Kind) async throws {
    let fixture = try Fixture(kind)
    // The registration watches a duplicate: closing the original and reusing its number changes nothing.
    let replacement = open("/dev/null", O_RDONLY)
    dup2(replacement, fixture.near)
    close(replacement)
    let registration = fixture.registration
    async let wakeup = registration.wait(for: .read, until: nil, observingCancellation: false)
    fixture.send()
    #expect(await wakeup == .ready)
  }

  @Test(arguments: Kind.allCases) func ringsAlarmsInTime(kind: Kind) async throws {
    let reactor = Reactor(poller: try kind.makePoller())
    let (rings, input) = AsyncStream.makeStream(of: ContinuousClock.Instant.self)
    let alarm = reactor.makeAlarm { input.yield(.now) }
    let silent = reactor.makeAlarm { Issue.record("a silenced alarm rang") }
    silent.set(.now + .milliseconds(5))
    silent.set(nil)
    alarm.set(.now + .seconds(60))
    let due = ContinuousClock.now + .milliseconds(10)
    alarm.set(due)
    var iterator = rings.makeAsyncIterator()
    let rang = try #require(await iterator.next())
    #expect(rang >= due)
    alarm.close()
    silent.close()
    reactor.stop()
  }

  @Test(arguments: Kind.allCases) func servesManySocketsAtOnce(kind: Kind) async throws {
    let reactor = Reactor(poller: try kind.makePoller())
    let served = try await withThrowingTaskGroup(of: Int.self) { group in
      for index in 0..<64 {
        group.addTask {
          var ends: [CInt] = [0, 0]
          try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
          let registration = try reactor.register(duplicating: ends[0])
          defer {
            registration.close()
            for end in ends { close(end) }
          }
          for _ in 0..<50 {
            async let wakeup = registration.wait(for: .read, until: .now + .seconds(30), observingCancellation: false)
            _ = write(ends[1], "x", 1)
            try #require(await wakeup == .ready)
            var byte: UInt8 = 0
            try #require(read(ends[0], &byte, 1) == 1)
          }
          return index
        }
      }
      return try await group.reduce(into: 0) { sum, _ in sum += 1 }
    }
    #expect(served == 64)
    reactor.stop()
  }

  @Test func blockingThreadsGiveUpAtTheDeadline() async throws {
    let threads = BlockingThreads(maximumThreads: 2)
    let reactor = Reactor(poller: try PollPoller())
    let gate = Gate()
    let (late, input) = AsyncStream.makeStream(of: Int.self)
    let value = await threads.run(until: .now + .milliseconds(10), reactor: reactor, observingCancellation: false) {
      gate.wait()
      return 1
    } dispose: {
      input.yield($0)
    }
    #expect(value == nil)
    let other = await threads.run(until: .now + .seconds(60), reactor: reactor, observingCancellation: false) {
      2
    } dispose: { _ in
    }
    #expect(other == 2)
    gate.open()
    var iterator = late.makeAsyncIterator()
    #expect(await iterator.next() == 1)
    reactor.stop()
  }
}

/// Holds a thread up until it is opened.
private final class Gate: @unchecked Sendable {
  // A pipe is all that is needed, and is safe to use from any thread.
  private var ends: [CInt] = [0, 0]

  init() {
    pipe(&ends)
  }

  func wait() {
    var byte: UInt8 = 0
    _ = read(ends[0], &byte, 1)
  }

  func open() {
    _ = write(ends[1], "x", 1)
  }

  deinit {
    for end in ends { close(end) }
  }
}

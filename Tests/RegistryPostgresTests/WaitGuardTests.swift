#if os(Linux)
  import Foundation
  import Glibc
  import Synchronization
  import Testing

  @testable import RegistryPostgres

  @Suite(.timeLimit(.minutes(20)))
  struct WaitGuardTests {
    /// Two ends of a socket, and a reactor whose thread never starts: time passes where the test says so.
    private final class Fixture: Sendable {
      let waits: WaitGuard
      let reactor: Reactor
      let near: CInt
      let far: CInt

      init(slots: Int = 4) throws {
        waits = WaitGuard(slots: slots)
        reactor = Reactor(poller: try EpollPoller())
        var ends: [CInt] = [0, 0]
        try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        (near, far) = (ends[0], ends[1])
      }

      func wait(_ limit: Duration = .milliseconds(2)) -> Bool {
        waits.waitToRead(near, limit: limit, reactor: reactor)
      }

      func send() { _ = write(far, "x", 1) }

      func take() {
        var byte: UInt8 = 0
        _ = read(near, &byte, 1)
      }

      /// A wait on a thread of its own.
      func waiting(_ limit: Duration = .milliseconds(2)) -> Task<Bool, Never> {
        Task {
          await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: self.wait(limit)) }
          }
        }
      }

      /// Lets the clock tick once, as soon as it runs.
      func tick() async {
        let before = waits.tickCount
        var now = ContinuousClock.now
        while waits.tickCount == before {
          if let due = waits.tick(now: now) { now = due }
          await Task.yield()
        }
      }

      deinit {
        close(near)
        close(far)
        reactor.stop()
      }
    }

    /// The reactor's own clock ends it, though nothing ever comes.
    @Test func aWaitEndsThoughNothingComes() throws {
      var ends: [CInt] = [0, 0]
      try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
      let reactor = Reactor(poller: try EpollPoller())
      let registration = try reactor.register(duplicating: ends[0])
      for _ in 0..<20 {
        #expect(registration.waitDirectly(lookingFor: .zero, limit: .milliseconds(2)) == .unanswered)
      }
      registration.close()
      reactor.stop()
      for end in ends { close(end) }
    }

    @Test func whatIsThereOrComesEndsAWait() async throws {
      let fixture = try Fixture()
      fixture.send()
      #expect(fixture.wait())
      fixture.take()
      let waiting = fixture.waiting()
      fixture.send()
      #expect(await waiting.value)
    }

    @Test func theEndOfTheStreamEndsAWait() throws {
      let fixture = try Fixture()
      shutdown(fixture.far, CInt(SHUT_RDWR))
      #expect(fixture.wait())
    }

    /// It lasts for the ticks that its limit takes, and one more, since the first may be about to pass.
    @Test(arguments: [3, 4]) func aWaitLastsAsLongAsItMay(ticks: Int) async throws {
      let fixture = try Fixture()
      let waiting = fixture.waiting(.milliseconds(6))
      // Until it has come, the clock stands still.
      for _ in 0..<ticks { await fixture.tick() }
      #expect(fixture.waits.ringCount == (ticks == 3 ? 0 : 1))
      if ticks == 3 { fixture.send() }
      #expect(await waiting.value == (ticks == 3))
    }

    /// A bell that was rung for one wait does not end the next one, even where the answer came at the same time.
    @Test func eachWaitHasABellOfItsOwn() async throws {
      let fixture = try Fixture(slots: 1)
      for isAnswered in (0..<200).map({ $0 % 2 == 0 }) {
        let isOver = Atomic(false)
        async let first = {
          defer { isOver.store(true, ordering: .relaxed) }
          return await fixture.waiting(.zero).value
        }()
        await fixture.tick()
        if isAnswered { fixture.send() }
        // The tick may have come before the wait.
        var now = ContinuousClock.now
        while !isOver.load(ordering: .relaxed) {
          if let due = fixture.waits.tick(now: now) { now = due }
          await Task.yield()
        }
        _ = await first
        #expect(fixture.waits.isSilent)
        if isAnswered { fixture.take() }
        let second = fixture.waiting(.seconds(3600))
        fixture.send()
        #expect(await second.value)
        fixture.take()
      }
    }

    @Test func theClockStopsWhenNobodyWaitsAndGoesOnWithTheNext() async throws {
      let fixture = try Fixture()
      #expect(fixture.waits.tick(now: .now + .seconds(60)) == nil)
      for _ in 0..<3 {
        fixture.send()
        #expect(fixture.wait())
        fixture.take()
        let due = try #require(fixture.waits.tick(now: .now - .seconds(60)), "a wait began")
        let next = try #require(fixture.waits.tick(now: due), "one was there since the last tick")
        #expect(fixture.waits.tick(now: next) == nil)
        #expect(fixture.waits.tick(now: next + .seconds(60)) == nil)
      }
    }

    @Test func withoutASlotATimerEndsAWait() throws {
      let fixture = try Fixture(slots: 0)
      #expect(!fixture.wait())
      fixture.send()
      #expect(fixture.wait())
    }
  }
#endif

import TestRandom
import Testing

@testable import RegistryPostgres

@Suite struct ListenerStateMachineTests {
  typealias Machine = ListenerStateMachine

  private let start = ContinuousClock.now

  private func machine(buffered: Int = 4) -> Machine {
    Machine(limits: .init(maximumBuffered: buffered, probeInterval: .seconds(30)))
  }

  private func at(_ seconds: Int, _ milliseconds: Int = 0) -> ContinuousClock.Instant {
    start + .seconds(seconds) + .milliseconds(milliseconds)
  }

  private func note(_ channel: String, _ payload: String = "") -> PostgresNotification {
    PostgresNotification(channel: channel, payload: payload, processID: 1)
  }

  /// A machine whose connection 1 waits and whose server has confirmed the channels.
  private func listening(to channels: [String], buffered: Int = 4) -> (Machine, [UInt64]) {
    var machine = machine(buffered: buffered)
    _ = machine.start(now: start)
    let ids = channels.map { machine.subscribe($0, now: start).0 }
    machine.opened(1, now: start)
    _ = machine.nextStep(1, now: start)
    _ = machine.changed(1, now: start)
    _ = machine.nextStep(1, now: start)
    for id in ids { _ = machine.next(id, deadline: nil, now: start) }
    return (machine, ids)
  }

  @Test func opensForTheFirstSubscriberAndListensOncePerChannel() {
    var machine = machine()
    #expect(machine.start(now: start) == [])
    let (first, opening) = machine.subscribe("a", now: start)
    #expect(opening == [.open(1)])
    let (second, more) = machine.subscribe("a", now: start)
    #expect(more == [])
    _ = machine.subscribe("b", now: start)
    machine.opened(1, now: start)
    #expect(machine.nextStep(1, now: start) == .change(listen: ["a", "b"], unlisten: []))
    #expect(!machine.isListening)
    #expect(machine.next(first, deadline: nil, now: start).0 == .waiting)
    #expect(machine.changed(1, now: start) == [.answer(first, .resumed)])
    #expect(machine.next(second, deadline: nil, now: start).0 == .element(.resumed))
    #expect(machine.isListening)
    #expect(machine.nextStep(1, now: start) == .wait(until: at(30)))
  }

  @Test func callersBeforeTheStartAreServedByIt() {
    var machine = machine()
    let (id, actions) = machine.subscribe("a", now: start)
    #expect(actions == [])
    #expect(machine.next(id, deadline: nil, now: start).0 == .waiting)
    #expect(machine.start(now: start) == [.open(1)])
  }

  @Test func handsNotificationsToTheSubscribersOfTheirChannelInOrder() {
    var (machine, ids) = listening(to: ["a", "a", "b"])
    #expect(machine.next(ids[0], deadline: nil, now: start).0 == .waiting)
    let actions = machine.received(1, [note("a", "1"), note("c"), note("a", "2")], now: at(1))
    #expect(actions == [.answer(ids[0], .notification(note("a", "1")))])
    #expect(machine.next(ids[0], deadline: nil, now: start).0 == .element(.notification(note("a", "2"))))
    #expect(machine.next(ids[1], deadline: nil, now: start).0 == .element(.notification(note("a", "1"))))
    #expect(machine.next(ids[1], deadline: nil, now: start).0 == .element(.notification(note("a", "2"))))
    #expect(machine.next(ids[2], deadline: nil, now: start).0 == .waiting)
    #expect(machine.nextStep(1, now: at(1)) == .wait(until: at(31)), "what was heard puts the probe off")
  }

  @Test func ceasesToListenWithTheLastSubscriber() {
    var (machine, ids) = listening(to: ["a", "a"])
    #expect(machine.unsubscribe(ids[0]) == [])
    #expect(!machine.isInterrupted(1))
    #expect(machine.unsubscribe(ids[1]) == [.interrupt(1)])
    #expect(machine.isInterrupted(1))
    #expect(machine.received(1, [], now: at(1)) == [])
    #expect(machine.nextStep(1, now: at(1)) == .change(listen: [], unlisten: ["a"]))
    // Whoever comes while the UNLISTEN is under way is listened for again.
    let (late, _) = machine.subscribe("a", now: at(1))
    #expect(machine.next(late, deadline: nil, now: at(1)).0 == .waiting)
    #expect(machine.changed(1, now: at(1)) == [])
    #expect(machine.nextStep(1, now: at(1)) == .change(listen: ["a"], unlisten: []))
    #expect(machine.changed(1, now: at(1)) == [.answer(late, .resumed)])
  }

  @Test func aLaterSubscriberIsWokenAtOnce() {
    var (machine, _) = listening(to: ["a"])
    let (id, actions) = machine.subscribe("a", now: at(1))
    #expect(actions == [])
    #expect(machine.next(id, deadline: nil, now: at(1)).0 == .element(.resumed))
    #expect(machine.subscribe("b", now: at(1)).1 == [.interrupt(1)])
  }

  @Test func listensAgainAndWakesEveryoneAfterALoss() {
    var (machine, ids) = listening(to: ["a", "b"])
    #expect(machine.next(ids[0], deadline: nil, now: at(60)).0 == .waiting)
    #expect(machine.lost(1, isPermanent: false, jitter: 1, now: at(60)) == [.setAlarm(at(60, 50))])
    #expect(!machine.isListening)
    #expect(machine.timePassed(now: at(60, 50)) == [.open(2)])
    machine.opened(2, now: at(60, 100))
    #expect(machine.nextStep(2, now: at(60, 100)) == .change(listen: ["a", "b"], unlisten: []))
    #expect(machine.changed(2, now: at(60, 100)) == [.answer(ids[0], .resumed)])
    #expect(machine.next(ids[1], deadline: nil, now: at(61)).0 == .element(.resumed))
    // What an older connection's driver says late is not heard.
    #expect(machine.nextStep(1, now: at(61)) == nil)
    #expect(machine.received(1, [note("a")], now: at(61)) == [])
    #expect(machine.lost(1, isPermanent: false, jitter: 1, now: at(61)) == [])
  }

  @Test func pausesLongerAfterEachFailure() {
    var machine = machine()
    _ = machine.start(now: start)
    _ = machine.subscribe("a", now: start)
    var now = start
    var pauses: [Duration] = []
    for id in 1...10 {
      guard case .setAlarm(let next)? = machine.lost(UInt64(id), isPermanent: false, jitter: 1, now: now).first else {
        Issue.record("no alarm")
        return
      }
      pauses.append(next - now)
      now = next
      #expect(machine.timePassed(now: now) == [.open(UInt64(id + 1))])
    }
    #expect(pauses.prefix(3) == [.milliseconds(50), .milliseconds(100), .milliseconds(200)])
    #expect(pauses.last == .seconds(5))
    let permanent = machine.lost(11, isPermanent: true, jitter: 0, now: now)
    #expect(permanent == [.setAlarm(now + .milliseconds(2500))])
  }

  @Test func aConnectionThatIsLostAsSoonAsItListensIsAFailureToo() {
    var (machine, _) = listening(to: ["a"])
    #expect(machine.lost(1, isPermanent: false, jitter: 1, now: at(1)) == [.setAlarm(at(1, 50))])
    _ = machine.timePassed(now: at(1, 50))
    machine.opened(2, now: at(2))
    _ = machine.nextStep(2, now: at(2))
    _ = machine.changed(2, now: at(2))
    #expect(machine.lost(2, isPermanent: false, jitter: 1, now: at(2)) == [.setAlarm(at(2, 100))])
    _ = machine.timePassed(now: at(2, 100))
    machine.opened(3, now: at(3))
    _ = machine.nextStep(3, now: at(3))
    _ = machine.changed(3, now: at(3))
    #expect(machine.lost(3, isPermanent: false, jitter: 1, now: at(8)) == [.setAlarm(at(8, 50))])
  }

  @Test func asksTheServerAfterASilenceAndListensToWhatItForgot() {
    var (machine, ids) = listening(to: ["a", "b"])
    for id in ids { _ = machine.next(id, deadline: nil, now: start) }
    #expect(machine.received(1, [], now: at(30)) == [])
    #expect(machine.nextStep(1, now: at(30)) == .probe)
    machine.probed(1, ["a", "other"], now: at(30))
    #expect(machine.nextStep(1, now: at(30)) == .change(listen: ["b"], unlisten: []))
    #expect(machine.changed(1, now: at(30)) == [.answer(ids[1], .resumed)])
    #expect(machine.nextStep(1, now: at(30)) == .wait(until: at(60)))
  }

  @Test func aSlowSubscribersElementsBecomeOne() {
    var (machine, ids) = listening(to: ["a"], buffered: 2)
    func receive(_ payloads: ClosedRange<Int>) {
      #expect(machine.received(1, payloads.map { note("a", "\($0)") }, now: at(1)) == [])
      _ = machine.nextStep(1, now: at(1))
    }
    receive(1...3)
    #expect(machine.next(ids[0], deadline: nil, now: start).0 == .element(.resumed))
    receive(4...5)
    #expect(machine.next(ids[0], deadline: nil, now: start).0 == .element(.notification(note("a", "4"))))
    receive(6...100)
    #expect(machine.next(ids[0], deadline: nil, now: start).0 == .element(.resumed))
  }

  @Test func aSubscriberIsToldWhenNothingCame() {
    var machine = machine()
    let (first, _) = machine.subscribe("a", now: start)
    let (second, _) = machine.subscribe("a", now: start)
    #expect(machine.next(first, deadline: at(10), now: start).1 == [.setAlarm(at(10))])
    #expect(machine.next(second, deadline: at(5), now: start).1 == [.setAlarm(at(5))])
    #expect(machine.timePassed(now: at(5)) == [.answer(second, .elapsed), .setAlarm(at(10))])
    #expect(machine.timePassed(now: at(10)) == [.answer(first, .elapsed)])
    #expect(machine.next(first, deadline: at(10), now: at(10)).0 == .element(.elapsed))
    #expect(machine.timePassed(now: at(11)) == [])
  }

  @Test func aSecondCallerAndACancelledOneGetNothing() {
    var machine = machine()
    let (id, _) = machine.subscribe("a", now: start)
    #expect(machine.next(id, deadline: nil, now: start).0 == .waiting)
    #expect(machine.next(id, deadline: nil, now: start).0 == .end)
    #expect(machine.cancelNext(id) == [.answer(id, nil)])
    #expect(machine.cancelNext(id) == [])
    #expect(machine.next(id, deadline: nil, now: start).0 == .waiting)
    #expect(machine.unsubscribe(id) == [.answer(id, nil)])
    #expect(machine.next(id, deadline: nil, now: start).0 == .end)
  }

  @Test func aShutdownHandsOutWhatWaitsAndEnds() {
    var (machine, ids) = listening(to: ["a", "b"])
    _ = machine.received(1, [note("b")], now: at(1))
    #expect(machine.next(ids[0], deadline: nil, now: start).0 == .waiting)
    #expect(machine.drain() == [.answer(ids[0], nil), .close(1)])
    #expect(machine.drain() == [])
    #expect(machine.nextStep(1, now: at(1)) == nil)
    #expect(machine.next(ids[1], deadline: nil, now: start).0 == .element(.notification(note("b"))))
    #expect(machine.next(ids[1], deadline: nil, now: start).0 == .end)
    #expect(machine.lost(1, isPermanent: false, jitter: 0, now: at(1)) == [.finish])
    #expect(machine.phase == .finished)
    let (late, actions) = machine.subscribe("a", now: at(2))
    #expect(actions == [] && machine.next(late, deadline: nil, now: at(2)).0 == .end)
  }

  @Test func aShutdownWhileOpeningWaitsForTheEndOfIt() {
    var machine = machine()
    _ = machine.start(now: start)
    _ = machine.subscribe("a", now: start)
    #expect(machine.drain() == [.close(1)])
    machine.opened(1, now: start)
    #expect(machine.nextStep(1, now: start) == nil)
    #expect(machine.lost(1, isPermanent: false, jitter: 0, now: start) == [.finish])
    var unused = self.machine()
    #expect(unused.drain() == [.finish])
  }

  /// Random events against a server that keeps its own list of channels: it always ends up with what is subscribed to,
  /// nobody who waits is forgotten, and each notification reaches exactly those who had been told to be listening.
  @Test(arguments: 0..<20 as Range<UInt64>) func everySubscriberIsWokenForWhatItMissed(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var model = ListenerModel(machine: machine(buffered: Int.random(in: 1...4, using: &random)), now: start)
    for _ in 0..<3000 { model.step(using: &random) }
    model.settle()
    #expect(model.violations.isEmpty, "seed \(seed): run this case alone to repeat it")
  }
}

/// A server, its notifications, and subscribers who remember what they were told.
private struct ListenerModel {
  var machine: ListenerStateMachine
  var now: ContinuousClock.Instant
  var violations: [String] = []
  private var channels: [UInt64: String] = [:]
  private var waiting: Set<UInt64> = []
  /// Channels on which something was sent since the subscriber was last told anything that covers it.
  private var owed: Set<UInt64> = []
  private var connection: UInt64?
  private var opening: UInt64?
  private var step: ListenerStateMachine.Step?
  private var serverChannels: Set<String> = []
  private var unread: [PostgresNotification] = []
  /// The payload of the last notification on each channel.
  private var sent: [String: Int] = [:]

  init(machine: ListenerStateMachine, now: ContinuousClock.Instant) {
    self.machine = machine
    self.now = now
    apply(self.machine.start(now: now))
  }

  mutating func step(using random: inout SeededGenerator) {
    now += .milliseconds(Int.random(in: 0...300, using: &random))
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<10:
      let channel = ["a", "b", "c"].randomElement(using: &random) ?? "a"
      let (id, actions) = machine.subscribe(channel, now: now)
      channels[id] = channel
      apply(actions)
    case 10..<18:
      guard let id = channels.keys.sorted().randomElement(using: &random) else { return }
      let actions = machine.unsubscribe(id)
      apply(actions)
      channels[id] = nil
      owed.remove(id)
    case 18..<45: ask(channels.keys.sorted().randomElement(using: &random))
    case 45..<60: notify(["a", "b", "c"].randomElement(using: &random) ?? "a")
    case 60..<64: lose(using: &random)
    case 64..<67: if connection != nil { serverChannels.remove("a") }
    case 67..<75: apply(machine.timePassed(now: now))
    default: drive()
    }
  }

  /// Lets everything come to rest without further faults and looks at what is owed.
  mutating func settle() {
    for _ in 0..<40 {
      now += .seconds(6)
      apply(machine.timePassed(now: now))
      for _ in 0..<8 { drive() }
      for id in channels.keys.sorted() { ask(id) }
    }
    if serverChannels != Set(channels.values) { violations.append("the server listens to \(serverChannels)") }
    if !channels.isEmpty, !machine.isListening { violations.append("not listening") }
    for id in owed where channels[id] != nil { violations.append("subscriber \(id) was never woken") }
    if waiting != Set(channels.keys) { violations.append("somebody who asked does not wait") }
  }

  private mutating func ask(_ id: UInt64?) {
    guard let id else { return }
    while !waiting.contains(id) {
      let (answer, actions) = machine.next(id, deadline: nil, now: now)
      apply(actions)
      switch answer {
      case .element(let element): told(id, element)
      case .waiting: waiting.insert(id)
      case .end:
        violations.append("an end for \(id)")
        return
      }
    }
  }

  private mutating func told(_ id: UInt64, _ element: ListenerStateMachine.Element) {
    if case .notification(let notification) = element, notification.channel != channels[id] {
      violations.append("\(id) got what is not its own")
    }
    // A subscriber looks at everything whenever it is told something; only what is sent later is owed.
    if case .notification(let notification) = element, notification.payload != "\(sent[notification.channel] ?? 0)" {
      return
    }
    owed.remove(id)
  }

  private mutating func notify(_ channel: String) {
    sent[channel, default: 0] += 1
    for (id, subscribed) in channels where subscribed == channel { owed.insert(id) }
    if connection != nil, serverChannels.contains(channel) {
      unread.append(PostgresNotification(channel: channel, payload: "\(sent[channel] ?? 0)", processID: 1))
    }
  }

  private mutating func lose(using random: inout SeededGenerator) {
    guard let id = connection ?? opening else { return }
    (connection, opening, step, serverChannels, unread) = (nil, nil, nil, [], [])
    let actions = machine.lost(
      id, isPermanent: Bool.random(using: &random), jitter: Double.random(in: 0...1, using: &random), now: now)
    apply(actions)
  }

  private mutating func drive() {
    if let id = opening {
      (opening, connection) = (nil, id)
      machine.opened(id, now: now)
      step = machine.nextStep(id, now: now)
      return
    }
    guard let id = connection, let step else { return }
    switch step {
    case .change(let listen, let unlisten):
      serverChannels.formUnion(listen)
      serverChannels.subtract(unlisten)
      apply(machine.changed(id, now: now))
    case .probe: machine.probed(id, serverChannels, now: now)
    case .wait(let end):
      guard !unread.isEmpty || end <= now || machine.isInterrupted(id) else { return }
      let notifications = unread
      unread = []
      apply(machine.received(id, notifications, now: now))
    }
    self.step = machine.nextStep(id, now: now)
  }

  private mutating func apply(_ actions: [ListenerStateMachine.Action]) {
    for action in actions {
      switch action {
      case .answer(let id, let element):
        if waiting.remove(id) == nil { violations.append("an answer for \(id), who does not wait") }
        if let element { told(id, element) }
      case .open(let id):
        if connection != nil || opening != nil { violations.append("two connections") }
        opening = id
      case .interrupt(let id):
        if connection != id { violations.append("an interruption of \(id), which is not open") }
      case .close, .finish: violations.append("an end that nobody asked for")
      case .setAlarm: break
      }
    }
  }
}

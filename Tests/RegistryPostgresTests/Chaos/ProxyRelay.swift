import Foundation
import Glibc

/// What the proxy's thread owns: listeners, links, and what is planned for links to come.
///
/// Confined to that thread; others reach it through ``FaultProxy/ask(_:)``.
final class ProxyRelay {
  private(set) var links: [ProxyLink] = []
  /// For the next clients that begin a session, in their order.
  var plans: [Fault?] = []
  /// How new links pass bytes on.
  var flowToServer = ProxyStream.Flow.through
  var flowToClient = ProxyStream.Flow.through
  /// New clients are hung up on.
  var refusesClients = false
  /// Requests to cancel are hung up on.
  var dropsCancelRequests = false
  /// So many more requests to cancel are hung up on.
  var cancelRequestsToDrop = 0
  /// Requests to cancel wait until this is taken back.
  var holdsCancelRequests = false
  /// How many links were begun by clients that wanted a session.
  private(set) var sessionCount = 0
  /// What went over each link that is over, kept for tests that ask for it.
  private(set) var finished: [ProxyLink] = []
  var keepsFinished = false
  private var settling: [@Sendable () -> Void] = []
  private var emptying: [@Sendable () -> Void] = []
  /// Whether what the sockets have to say must be heard before anybody is called back.
  private var hasUnreadNews = false
  private let upstream: sockaddr_un
  private let listeners: [CInt]
  let wakeUp: CInt

  init(listeners: [CInt], wakeUp: CInt, upstream: sockaddr_un) {
    self.listeners = listeners
    self.wakeUp = wakeUp
    self.upstream = upstream
  }

  /// Calls back once no server process is at work on what came before a cut.
  func whenSettled(_ body: @escaping @Sendable () -> Void) {
    settling.append(body)
    hasUnreadNews = true
  }

  /// Calls back once every link is closed.
  func whenEmpty(_ body: @escaping @Sendable () -> Void) {
    emptying.append(body)
  }

  /// Sets a fault for the session link of this place, counting from where its streams stand now.
  func plan(_ fault: Fault, onLink place: Int) {
    guard let index = sessionIndex(place), links[index].fault == nil else { return }
    var fault = fault
    let stream = fault.direction == .toServer ? links[index].toServer : links[index].toClient
    switch fault.point {
    case .messages(let count): fault.point = .messages(stream.passedMessages + count)
    case .bytes(let count): fault.point = .bytes(stream.passedBytes + count)
    }
    links[index].plan(fault)
  }

  /// Changes how a session link passes bytes on.
  func setFlow(_ flow: ProxyStream.Flow, _ direction: Fault.Direction, onLink place: Int) {
    guard let index = sessionIndex(place) else { return }
    switch direction {
    case .toServer: links[index].toServer.flow = flow
    case .toClient: links[index].toClient.flow = flow
    }
  }

  /// Cuts what is silent, passes on what is held, forgets what is planned.
  func endFaults() {
    plans.removeAll()
    refusesClients = false
    dropsCancelRequests = false
    holdsCancelRequests = false
    for index in links.indices {
      links[index].fault = nil
      links[index].toServer.limit = nil
      links[index].toClient.limit = nil
      links[index].toServer.flow = flowToServer
      links[index].toClient.flow = flowToClient
      if links[index].isSilent { links[index].cut(.reset) }
    }
  }

  /// Closes everything.
  func close() {
    for index in links.indices { links[index].abort() }
    links.removeAll()
    for listener in listeners { Glibc.close(listener) }
    Glibc.close(wakeUp)
    hasUnreadNews = false
    callBack()
  }

  private func sessionIndex(_ place: Int) -> Int? {
    let sessions = links.indices.filter { links[$0].number > 0 && !links[$0].isEnding && !links[$0].isSilent }
    return sessions.isEmpty ? nil : sessions[place % sessions.count]
  }

  /// Waits for sockets and serves them once.
  func turn() {
    var entries = [pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)]
    for listener in listeners { entries.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0)) }
    for link in links {
      // Without interest a hang-up would be reported again and again.
      for (descriptor, events) in [(link.client, link.clientInterest), (link.server, link.serverInterest)] {
        entries.append(pollfd(fd: events == 0 ? -1 : descriptor, events: events, revents: 0))
      }
    }
    // Nothing tells that a reader has read, so that is looked at again soon.
    let mustLookAgain = links.contains { $0.waitsForReader }
    let found = poll(&entries, nfds_t(entries.count), mustLookAgain || hasUnreadNews ? 0 : -1)
    if found == 0, mustLookAgain { usleep(20) }
    hasUnreadNews = false
    let first = 1 + listeners.count
    for index in links.indices {
      if entries[first + 2 * index].revents & ~Int16(POLLOUT) != 0 { links[index].readClient() }
      if entries[first + 2 * index + 1].revents & ~Int16(POLLOUT) != 0 { links[index].readServer() }
    }
    for (index, listener) in listeners.enumerated() where entries[1 + index].revents != 0 { accept(on: listener) }
    if entries[0].revents != 0 {
      var value: UInt64 = 0
      _ = read(wakeUp, &value, 8)
    }
  }

  /// Moves every link on as far as it goes.
  func step() {
    for index in links.indices {
      classify(index)
      links[index].step()
    }
    if keepsFinished { finished += links.filter(\.isOver) }
    links.removeAll(where: \.isOver)
    callBack()
  }

  private func callBack() {
    guard !hasUnreadNews else { return }
    var bodies: [@Sendable () -> Void] = []
    if !links.contains(where: \.isServerEnding) { swap(&bodies, &settling) }
    if links.isEmpty {
      bodies += emptying
      emptying.removeAll()
    }
    for body in bodies { body() }
  }

  /// Looks at the first eight bytes: a session, or a request to cancel one (code 1234.5678)?
  private func classify(_ index: Int) {
    guard !links[index].isClassified else {
      if links[index].isCancelRequest, !holdsCancelRequests { links[index].toServer.flow = .through }
      return
    }
    guard links[index].toServer.buffer.count >= 8 else { return }
    links[index].isClassified = true
    if links[index].toServer.buffer[4..<8].elementsEqual([0x04, 0xD2, 0x16, 0x2E]) {
      links[index].isCancelRequest = true
      if dropsCancelRequests || cancelRequestsToDrop > 0 {
        cancelRequestsToDrop = max(0, cancelRequestsToDrop - 1)
        links[index].cut(.reset)
      }
      if holdsCancelRequests { links[index].toServer.flow = .held }
      return
    }
    sessionCount += 1
    links[index].number = sessionCount
    links[index].toServer.flow = flowToServer
    links[index].toClient.flow = flowToClient
    if !plans.isEmpty, let fault = plans.removeFirst() { links[index].plan(fault) }
  }

  private func accept(on listener: CInt) {
    let client = Glibc.accept(listener, nil, nil)
    guard client >= 0 else { return }
    _ = fcntl(client, F_SETFD, FD_CLOEXEC)
    _ = fcntl(client, F_SETFL, O_NONBLOCK)
    var one: CInt = 1
    // Refused by a unix socket, which needs it not.
    setsockopt(client, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout.size(ofValue: one)))
    let server = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = upstream
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let isConnected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(server, $0, size) == 0 }
    }
    guard isConnected, !refusesClients else {
      Glibc.close(server)
      Glibc.close(client)
      return
    }
    _ = fcntl(server, F_SETFL, O_NONBLOCK)
    links.append(ProxyLink(client: client, server: server))
  }
}

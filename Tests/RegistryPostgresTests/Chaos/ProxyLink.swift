import Glibc

/// What is done to a link, and where.
struct Fault: Sendable, CustomStringConvertible {
  enum Direction: Sendable, CaseIterable {
    case toServer, toClient
  }

  enum Manner: Sendable, CaseIterable {
    /// The client gets a RST (over TCP), the server the end of the stream.
    case reset
    /// Both get the end of the stream.
    case finish
    /// The receiver of this direction gets the end of the stream; the other direction goes on.
    case halfClose
    /// Nothing goes on in either direction, and nobody is told.
    case silence
  }

  var direction: Direction
  var point: ProxyStream.Point
  var manner: Manner

  var description: String { "\(manner) \(direction) after \(point)" }
}

/// One relayed connection: two sockets and the stream in each direction. Belongs to the proxy's thread.
struct ProxyLink {
  /// In the order in which clients began to talk; 0 before, and for requests to cancel.
  var number = 0
  /// `-1` once closed.
  var client: CInt
  var server: CInt
  var toServer = ProxyStream(fromClient: true)
  var toClient = ProxyStream(fromClient: false)
  var fault: Fault?
  /// Whether it is known what the client wants, so that bytes may pass.
  var isClassified = false
  var isCancelRequest = false
  var isSilent = false
  /// Whether the link was cut: what still comes is dropped.
  var isCut = false
  private var serverWriteEnded = false
  private var clientWriteEnded = false

  init(client: CInt, server: CInt) {
    self.client = client
    self.server = server
  }

  var isOver: Bool { client < 0 && server < 0 }
  /// Whether the server may still be at work on what came before an end of the stream.
  var isServerEnding: Bool { server >= 0 && (serverWriteEnded || toServer.hasEnded) }
  var isEnding: Bool {
    isCut || toServer.hasEnded || toClient.hasEnded || toServer.isDiscarding || toClient.isDiscarding
  }

  /// The most that is kept of what came in and could not go out.
  private static let maximumBuffered = 1 << 20

  var clientInterest: Int16 {
    guard client >= 0 else { return 0 }
    var events: Int16 = 0
    if !toServer.hasEnded, toServer.buffer.count < Self.maximumBuffered { events |= Int16(POLLIN) }
    if !isSilent, isClassified, toClient.allowance > 0, !toClient.waitsForReader { events |= Int16(POLLOUT) }
    return events
  }

  var serverInterest: Int16 {
    guard server >= 0 else { return 0 }
    var events: Int16 = 0
    if !toClient.hasEnded, toClient.buffer.count < Self.maximumBuffered { events |= Int16(POLLIN) }
    if !isSilent, isClassified, toServer.allowance > 0, !toServer.waitsForReader { events |= Int16(POLLOUT) }
    return events
  }

  /// Whether something waits for its reader, which no event tells of.
  var waitsForReader: Bool {
    guard isClassified, !isSilent else { return false }
    return client >= 0 && toClient.waitsForReader && toClient.allowance > 0
      || server >= 0 && toServer.waitsForReader && toServer.allowance > 0
  }

  mutating func readClient() {
    switch Self.read(client) {
    case .bytes(let bytes): toServer.receive(bytes)
    case .nothing: break
    case .end, .failure:
      toServer.hasEnded = true
      // A network that says nothing is over when nobody listens any more.
      if isSilent { cut(.reset) }
    }
  }

  mutating func readServer() {
    switch Self.read(server) {
    case .bytes(let bytes): toClient.receive(bytes)
    case .nothing: break
    case .end, .failure:
      toClient.hasEnded = true
      // Nobody reads what the client still says.
      toServer.discard()
    }
  }

  /// Passes on what may be passed on, takes the fault when its point is reached, and closes what is over.
  mutating func step() {
    if isClassified, !isSilent {
      passOn()
      if let fault, isAt(fault) {
        self.fault = nil
        cut(fault.manner, fault.direction)
      }
    }
    closeWhatIsOver()
  }

  private func isAt(_ fault: Fault) -> Bool {
    fault.direction == .toServer ? toServer.isAtLimit : toClient.isAtLimit
  }

  /// Sets what is to happen to this link.
  mutating func plan(_ fault: Fault) {
    self.fault = fault
    switch fault.direction {
    case .toServer: toServer.limit = fault.point
    case .toClient: toClient.limit = fault.point
    }
  }

  mutating func cut(_ manner: Fault.Manner, _ direction: Fault.Direction = .toClient) {
    switch manner {
    case .silence:
      isSilent = true
    case .halfClose:
      if direction == .toServer {
        toServer.discard()
        endServerWrites()
      } else {
        toClient.discard()
        endClientWrites()
      }
    case .reset, .finish:
      isSilent = false
      isCut = true
      toServer.discard()
      toClient.discard()
      endServerWrites()
      if manner == .finish {
        endClientWrites()
      } else if client >= 0 {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close(client)
        client = -1
        toServer.hasEnded = true
      }
    }
  }

  /// Closes both sockets at once.
  mutating func abort() {
    if client >= 0 { close(client) }
    if server >= 0 { close(server) }
    client = -1
    server = -1
  }

  private mutating func passOn() {
    if server >= 0, !serverWriteEnded, !Self.write(&toServer, to: server) { toServer.discard() }
    if client >= 0, !clientWriteEnded, !Self.write(&toClient, to: client) {
      toClient.discard()
      toServer.hasEnded = true
    }
  }

  private mutating func closeWhatIsOver() {
    guard !isSilent else { return }
    if toServer.hasEnded, toServer.buffer.isEmpty { endServerWrites() }
    if toClient.hasEnded, toClient.buffer.isEmpty { endClientWrites() }
    if client >= 0, toServer.hasEnded, toClient.hasEnded && toClient.buffer.isEmpty || toClient.isDiscarding {
      close(client)
      client = -1
    }
    if server >= 0, toClient.hasEnded {
      close(server)
      server = -1
    }
  }

  private mutating func endServerWrites() {
    guard server >= 0, !serverWriteEnded else { return }
    serverWriteEnded = true
    shutdown(server, CInt(SHUT_WR))
  }

  private mutating func endClientWrites() {
    guard client >= 0, !clientWriteEnded else { return }
    clientWriteEnded = true
    shutdown(client, CInt(SHUT_WR))
  }

  private enum Reading {
    case bytes([UInt8])
    case nothing, end, failure
  }

  private static func read(_ descriptor: CInt) -> Reading {
    guard descriptor >= 0 else { return .nothing }
    var failure: CInt = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
      let received = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      failure = received < 0 ? errno : 0
      count = max(0, received)
    }
    if !bytes.isEmpty { return .bytes(bytes) }
    if failure == 0 { return .end }
    return failure == EAGAIN || failure == EINTR ? .nothing : .failure
  }

  /// - Returns: whether the receiver is still there.
  private static func write(_ stream: inout ProxyStream, to descriptor: CInt) -> Bool {
    while case let count = stream.allowance, count > 0 {
      if stream.waitsForReader, !hasTakenAll(descriptor) { return true }
      let sent = stream.buffer.withUnsafeBytes { send(descriptor, $0.baseAddress, count, CInt(MSG_NOSIGNAL)) }
      guard sent > 0 else { return errno == EAGAIN || errno == EINTR }
      stream.pass(sent)
    }
    return true
  }

  /// Whether the peer of a unix socket has read all that was written to it.
  private static func hasTakenAll(_ descriptor: CInt) -> Bool {
    var pending: CInt = 0
    // SIOCOUTQ, see unix(7).
    return ioctl(descriptor, UInt(TIOCOUTQ), &pending) != 0 || pending == 0
  }
}

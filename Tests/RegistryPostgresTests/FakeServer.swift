import Foundation
import Glibc

/// A server on the loopback that says what a test tells it to: for answers that a real one gives only in bad moments.
final class FakeServer: Sendable {
  /// What it does with a connection.
  enum Manner: Sendable {
    /// Holds its port and does not listen: a connection is refused, and nobody else can get the port.
    case absent
    /// Accepts and says nothing.
    case silent
    /// Refuses the login with an error of this SQLSTATE.
    case refusing(String)
    /// Logs in; then each time the client syncs, these bytes.
    case answering([[UInt8]])
    /// Refuses so many logins with 57P03 as a server that starts, then answers.
    case starting(Int, [[UInt8]])
    /// Logs in; answers each sync only once a cancel request has come.
    case answeringACancel([[UInt8]])
    /// Logs in, then hangs up at once.
    case hangingUp
    /// Logs in; on the first sync sends half of an answer and hangs up.
    case breakingOff([UInt8])

    fileprivate var isAbsent: Bool { if case .absent = self { true } else { false } }
    fileprivate var isSilent: Bool { if case .silent = self { true } else { false } }
  }

  /// What the connections of one server share.
  private final class Memory: @unchecked Sendable {
    // Guarded by the condition's lock.
    private let condition = NSCondition()
    private var logins = 0
    private var cancels = 0

    var loginCount: Int { condition.withLock { logins } }
    var cancelCount: Int { condition.withLock { cancels } }

    func login() -> Int {
      condition.withLock {
        logins += 1
        return logins
      }
    }

    func cancel() {
      condition.withLock {
        cancels += 1
        condition.broadcast()
      }
    }

    func waitForCancel() {
      condition.withLock { while cancels == 0 { condition.wait() } }
    }
  }

  let port: Int
  private let listener: CInt
  private let isAbsent: Bool
  private let isSilent: Bool
  private let memory = Memory()

  /// How many connections asked to log in.
  var loginCount: Int { memory.loginCount }

  /// How many requests to cancel have come.
  var cancelCount: Int { memory.cancelCount }

  init(_ manner: Manner) throws {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    var length = size
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(listener, pointer, size) == 0 && (manner.isAbsent || listen(listener, 16) == 0)
          && getsockname(listener, pointer, &length) == 0
      }
    }
    guard isBound else { throw POSIXError(.EADDRINUSE) }
    self.listener = listener
    isAbsent = manner.isAbsent
    isSilent = manner.isSilent
    port = Int(UInt16(bigEndian: address.sin_port))
    guard !manner.isAbsent else { return }
    Thread.detachNewThread { [memory] in
      while case let client = accept(listener, nil, nil), client >= 0 {
        Thread.detachNewThread { Self.serve(client, manner, memory) }
      }
      close(listener)
    }
  }

  deinit {
    guard !isAbsent else {
      close(listener)
      return
    }
    // Only the accepting thread closes it: the number would be another server's before that thread is done with it.
    shutdown(listener, CInt(SHUT_RDWR))
  }

  /// However busy the machine is, the server gets its turn; for one that says nothing the test says how long to wait.
  var connectionString: String {
    "host=127.0.0.1 port=\(port) user=u dbname=d sslmode=disable gssencmode=disable"
      + (isSilent ? "" : " connect_timeout=300")
  }

  private static func serve(_ client: CInt, _ manner: Manner, _ memory: Memory) {
    defer { close(client) }
    if case .silent = manner {
      // Until the client hangs up.
      while readMessage(client, hasType: false) != nil {}
      return
    }
    guard let (_, start) = readMessage(client, hasType: false) else { return }
    // 1234.5678 in the place of the protocol's version asks to cancel.
    if start.starts(with: [0x04, 0xD2, 0x16, 0x2E]) {
      memory.cancel()
      return
    }
    let login = memory.login()
    if case .starting(let refusals, _) = manner, login <= refusals {
      send(client, error("57P03", severity: "FATAL"))
      return
    }
    if case .refusing(let state) = manner {
      send(client, error(state, severity: "FATAL"))
      return
    }
    send(client, message("R", [0, 0, 0, 0]) + message("K", [0, 0, 0, 1, 0, 0, 0, 2]) + ready("I"))
    var answers: [[UInt8]] = []
    if case .hangingUp = manner { return }
    switch manner {
    case .answering(let given), .starting(_, let given), .answeringACancel(let given): answers = given
    default: break
    }
    while let (type, _) = readMessage(client, hasType: true) {
      guard type == UInt8(ascii: "S") || type == UInt8(ascii: "Q") else { continue }
      if case .breakingOff(let bytes) = manner {
        send(client, bytes)
        return
      }
      if case .answeringACancel = manner { memory.waitForCancel() }
      guard !answers.isEmpty else { return }
      send(client, answers.removeFirst())
    }
  }

  static func message(_ type: Character, _ body: [UInt8]) -> [UInt8] {
    let length = UInt32(body.count + 4).bigEndian
    return [type.asciiValue ?? 0] + withUnsafeBytes(of: length) { Array($0) } + body
  }

  static func ready(_ status: Character) -> [UInt8] { message("Z", [status.asciiValue ?? 0]) }

  static func complete(_ tag: String) -> [UInt8] { message("C", Array(tag.utf8) + [0]) }

  /// What a command without rows is answered in the extended protocol.
  static func command(_ tag: String) -> [UInt8] {
    message("1", []) + message("2", []) + message("n", []) + complete(tag)
  }

  static func error(_ state: String, severity: String = "ERROR", kind: Character = "E", routine: String = "r")
    -> [UInt8]
  {
    let fields = [("S", severity), ("V", severity), ("C", state), ("M", "as the test wants it"), ("R", routine)]
    return message(kind, fields.flatMap { Array($0.0.utf8) + Array($0.1.utf8) + [0] } + [0])
  }

  private static func send(_ client: CInt, _ bytes: [UInt8]) {
    _ = Glibc.send(client, bytes, bytes.count, CInt(MSG_NOSIGNAL))
  }

  private static func readMessage(_ client: CInt, hasType: Bool) -> (type: UInt8, body: [UInt8])? {
    func take(_ count: Int) -> [UInt8]? {
      var bytes = [UInt8](repeating: 0, count: count)
      var filled = 0
      while filled < count {
        let got = bytes.withUnsafeMutableBytes { recv(client, $0.baseAddress.map { $0 + filled }, count - filled, 0) }
        guard got > 0 else { return nil }
        filled += got
      }
      return bytes
    }
    let type = hasType ? take(1)?.first : 0
    guard let type, let header = take(4) else { return nil }
    let length = header.reduce(0) { $0 << 8 | Int($1) }
    guard length >= 4, let body = take(length - 4) else { return nil }
    return (type, body)
  }
}

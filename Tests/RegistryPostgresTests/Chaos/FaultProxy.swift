import CLibpq
import Foundation
import Glibc

/// A relay between a driver and the real server that cuts, delays, splits and re-frames what goes over it.
///
/// It runs on one thread of its own, with plain sockets. Clients come in over TCP, where a cut can be a RST, or over a
/// unix socket, where the relay sees when the other side has read a byte and so delivers truly one by one.
final class FaultProxy: @unchecked Sendable {
  enum Entrance: Sendable, CaseIterable {
    case tcp, unix
  }

  private let connectionString: String
  private let directory: String
  private let port: Int
  private let wakeUp: CInt
  // Guarded by the condition's lock; the relay itself is touched by the proxy's thread only, and after that one's end
  // by nobody.
  private let condition = NSCondition()
  private var tasks: [(ProxyRelay) -> Void] = []
  private var isStopping = false
  private var isOver = false

  /// Starts a proxy before the server of a connection string, which must name a directory of unix sockets.
  init(to connectionString: String) throws {
    self.connectionString = connectionString
    func value(_ keyword: String) -> String? {
      connectionString.split(separator: " ").first { $0.hasPrefix(keyword + "=") }
        .map { $0.dropFirst(keyword.count + 1).filter { $0 != "'" } }
    }
    guard let host = value("host"), host.hasPrefix("/"), let serverPort = value("port") else {
      throw POSIXError(.EINVAL)
    }
    var template = Array("/tmp/registry-proxy-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EACCES) }
    directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let tcp = try Self.listenOnLoopback()
    port = tcp.port
    let unix = try Self.listen(at: Self.address("\(directory)/.s.PGSQL.\(tcp.port)"))
    wakeUp = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
    let relay = ProxyRelay(
      listeners: [tcp.descriptor, unix], wakeUp: wakeUp, upstream: Self.address("\(host)/.s.PGSQL.\(serverPort)"))
    // Handed over to the thread, and used by nobody else from here on.
    nonisolated(unsafe) let owned = relay
    Thread.detachNewThread { [self] in run(owned) }
  }

  /// The connection string that leads through the proxy. How long to wait for a faulty one is the test's to say.
  func connectionString(_ entrance: Entrance) -> String {
    let host = entrance == .tcp ? "127.0.0.1" : directory
    let target = connectionString.split(separator: " ").filter { !$0.hasPrefix("connect_timeout=") }
    return "\(target.joined(separator: " ")) host=\(host) port=\(port) sslmode=disable gssencmode=disable"
  }

  /// Runs a closure on the proxy's thread.
  func ask<Value: Sendable>(_ body: @escaping @Sendable (ProxyRelay) -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      submit { continuation.resume(returning: body($0)) }
    }
  }

  /// Waits until no server process is at work any more on what came before a cut.
  func settle() async {
    await withCheckedContinuation { continuation in
      submit { relay in relay.whenSettled { continuation.resume() } }
    }
  }

  /// Waits until all links are closed.
  func empty() async {
    await withCheckedContinuation { continuation in
      submit { relay in relay.whenEmpty { continuation.resume() } }
    }
  }

  /// How many sockets of this process lead to the proxy: the driver's own and its duplicates.
  func socketsOfDriver() -> Int {
    let name = "\(directory)/.s.PGSQL.\(port)"
    let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return descriptors.compactMap { CInt($0) }.count { descriptor in
      var address = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) == 0 }
      }
      guard isKnown else { return false }
      return withUnsafeBytes(of: address) { bytes in
        switch CInt(address.ss_family) {
        case AF_INET:
          return Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))) == port
        case AF_UNIX:
          return String(decoding: bytes[2..<max(2, Int(length))].prefix { $0 != 0 }, as: UTF8.self) == name
        default: return false
        }
      }
    }
  }

  /// Closes everything and waits for the thread to end.
  func stop() {
    condition.withLock {
      isStopping = true
      signal()
      while !isOver { condition.wait() }
    }
  }

  private func submit(_ task: @escaping (ProxyRelay) -> Void) {
    condition.withLock {
      precondition(!isStopping, "the proxy has been stopped")
      tasks.append(task)
      signal()
    }
  }

  /// Under the lock, so that the descriptor is still the proxy's.
  private func signal() {
    guard !isOver else { return }
    var one: UInt64 = 1
    _ = write(wakeUp, &one, 8)
  }

  private func run(_ relay: ProxyRelay) {
    while true {
      let (due, mustStop) = condition.withLock {
        defer { tasks.removeAll() }
        return (tasks, isStopping)
      }
      for task in due { task(relay) }
      relay.step()
      if mustStop { break }
      relay.turn()
      relay.step()
    }
    condition.withLock {
      relay.close()
      isOver = true
      condition.broadcast()
    }
    unlink("\(directory)/.s.PGSQL.\(port)")
    rmdir(directory)
  }

  private static func address(_ path: String) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    return address
  }

  private static func listen(at address: sockaddr_un) throws -> CInt {
    let listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = address
    let isListening = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 && Glibc.listen(listener, 128) == 0
      }
    }
    guard isListening else { throw POSIXError(.EADDRINUSE) }
    return listener
  }

  private static func listenOnLoopback() throws -> (descriptor: CInt, port: Int) {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && Glibc.listen(listener, 128) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard isListening else { throw POSIXError(.EADDRINUSE) }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }
}

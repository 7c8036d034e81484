import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Looks hosts up on threads of its own, so that a slow name server holds up nothing else.
struct HostResolver: Sendable {
  enum Failure: Error {
    /// No such host, or the name servers do not answer.
    case unresolved
  }

  /// Threads that wait for name servers: begun with the first look-up, they live as long as the process.
  private static let threads: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: 16)
    pool.start()
    return pool
  }()

  /// What finds a host's addresses, on a thread that it may block.
  var lookUp: @Sendable (_ host: String) throws -> [NetworkAddress] = { try Self.ask($0) }

  /// The addresses of a host, in the order in which they are best tried (RFC 6724).
  ///
  /// - Throws: ``Failure``.
  func addresses(of host: String) async throws -> [NetworkAddress] {
    if let address = NetworkAddress(host) { return [address] }
    return try await Self.threads.runIfActive { try lookUp(host) }
  }

  private static func ask(_ host: String) throws -> [NetworkAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    #if canImport(Glibc)
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
      hints.ai_socktype = SOCK_STREAM
    #endif
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &list) == 0, let first = list else { throw Failure.unresolved }
    defer { freeaddrinfo(first) }
    var found: [NetworkAddress] = []
    for entry in sequence(first: first, next: { $0.pointee.ai_next }) {
      guard let address = address(of: entry.pointee), !found.contains(address) else { continue }
      found.append(address)
    }
    guard !found.isEmpty else { throw Failure.unresolved }
    return found
  }

  private static func address(of entry: addrinfo) -> NetworkAddress? {
    guard let pointer = entry.ai_addr else { return nil }
    switch entry.ai_family {
    case AF_INET:
      return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { socket in
        withUnsafeBytes(of: socket.pointee.sin_addr) { NetworkAddress(bytes: Array($0)) }
      }
    case AF_INET6:
      return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { socket in
        withUnsafeBytes(of: socket.pointee.sin6_addr) { NetworkAddress(bytes: Array($0)) }
      }
    default: return nil
    }
  }
}

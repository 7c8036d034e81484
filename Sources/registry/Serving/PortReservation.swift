import Foundation
import Synchronization

/// Holds a port between the moment when its number must be known and the moment when the server listens on it.
///
/// The registry writes its own URL into what it sends to Terra, so with port 0 the number is needed before the server
/// has one. A socket that is bound and does not listen keeps other programs off the port, and lets in a second socket
/// with `SO_REUSEADDR`.
final class PortReservation: Sendable {
  /// The port.
  let port: Int
  private let descriptor: Mutex<Int32?>

  /// Takes a free port, or none when one is named.
  ///
  /// - Parameters:
  ///   - host: An address of this machine, or a name of one.
  ///   - port: 0 takes a free port.
  /// - Throws: ``CommandError`` when the host is not an address of this machine.
  init(host: String, port: Int) throws {
    guard port == 0 else {
      self.port = port
      descriptor = Mutex(nil)
      return
    }
    var hints = addrinfo()
    hints.ai_flags = AI_PASSIVE
    #if canImport(Glibc)
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
      hints.ai_socktype = SOCK_STREAM
    #endif
    var addresses: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, "0", &hints, &addresses) == 0, let address = addresses?.pointee else {
      throw CommandError("Cannot listen on \(host): it is not an address or a name of this machine.", .usage)
    }
    defer { freeaddrinfo(addresses) }
    let descriptor = socket(address.ai_family, address.ai_socktype, 0)
    var reuse: Int32 = 1
    var bound = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
    let isBound =
      bind(descriptor, address.ai_addr, address.ai_addrlen) == 0
      && withUnsafeMutablePointer(to: &bound) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
      } == 0
    guard isBound else {
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw CommandError("Cannot listen on \(host): \(reason).")
    }
    // The port stands at the same place in addresses of both families.
    self.port = withUnsafeBytes(of: &bound) { Int($0[2]) << 8 | Int($0[3]) }
    self.descriptor = Mutex(descriptor)
  }

  /// Lets go of the port, once the server listens on it.
  func release() {
    descriptor.withLock { descriptor in
      if let open = descriptor { close(open) }
      descriptor = nil
    }
  }

  deinit { release() }
}

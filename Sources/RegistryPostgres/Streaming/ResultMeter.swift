import CLibpq

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Counts what one operation reads, from below.
///
/// libpq gathers a result in memory and does not say how far it is. One read takes some 16 KiB, so the first reads are
/// only counted; past them the socket is asked before and after each one how much lies in it. What arrives in between is
/// missed, so the true sum may be larger, a few times at worst.
struct ResultMeter {
  /// What a result may take where nothing else was said: 256 MiB.
  static let defaultLimit = 256 << 20
  /// So many reads are not worth a system call: about 1 MiB.
  private static let freeReads = 64
  /// libpq has at least this much room for a read.
  private static let leastRead = 8192

  private var reads = 0
  private(set) var bytes = 0

  /// Lets libpq read what has come.
  /// - Returns: what `PQconsumeInput` did: 0 for a connection that is lost.
  mutating func read(from handle: borrowing LibpqHandle) -> CInt {
    reads += 1
    guard reads > Self.freeReads else { return PQconsumeInput(handle.pointer) }
    let before = Self.waiting(handle)
    let result = PQconsumeInput(handle.pointer)
    let after = result == 1 ? Self.waiting(handle) : 0
    bytes += max(before - after, min(before, Self.leastRead))
    return result
  }

  /// How many bytes lie in the socket.
  private static func waiting(_ handle: borrowing LibpqHandle) -> Int {
    var count: CInt = 0
    return ioctl(PQsocket(handle.pointer), UInt(FIONREAD), &count) == 0 ? Int(count) : 0
  }
}

import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Looks hosts up on threads of its own, so that a slow name server holds up nothing but what waits for it.
///
/// Nobody waits for a thread: who has waited long enough goes on without it, and the thread ends when the name server has
/// answered. Each tenant has a few look-ups under way at once, so that one whose names are slow keeps no other waiting, and
/// those who want the same host of one tenant share a look-up.
final class HostResolver: Sendable {
  enum Failure: Error {
    /// No such host, or the name servers do not answer.
    case unresolved
    /// The tenant had as many look-ups under way as it may for all the time: nothing is known of the host.
    case noTurn
  }

  /// How many look-ups are under way at once.
  struct Limits: Sendable {
    var perTenant = 4
    var total = 64
  }

  private struct Key: Hashable {
    var tenantID: UUID
    var host: String
  }

  private struct LookUp {
    var hasBegun = false
    var waiters: [Int: CheckedContinuation<[NetworkAddress], any Error>] = [:]
  }

  private struct State {
    var lookUps: [Key: LookUp] = [:]
    /// Those that have not begun, in the order in which they came.
    var line: [Key] = []
    var begun: [UUID: Int] = [:]
    var total = 0
    var lastWaiter = 0

    /// The look-ups that may begin, which it takes to have begun.
    mutating func next(_ limits: Limits) -> [Key] {
      var next: [Key] = []
      line.removeAll { key in
        guard total < limits.total, begun[key.tenantID, default: 0] < limits.perTenant else { return false }
        total += 1
        begun[key.tenantID, default: 0] += 1
        lookUps[key]?.hasBegun = true
        next.append(key)
        return true
      }
      return next
    }
  }

  private let lookUp: @Sendable (_ host: String) throws -> [NetworkAddress]
  private let limits: Limits
  private let state = NIOLockedValueBox(State())

  /// Makes a resolver.
  ///
  /// - Parameters:
  ///   - limits: how many look-ups are under way at once.
  ///   - lookUp: what finds a host's addresses, on a thread that it may block; the machine's own way, where nothing is said.
  init(limits: Limits = Limits(), _ lookUp: (@Sendable (_ host: String) throws -> [NetworkAddress])? = nil) {
    self.limits = limits
    self.lookUp = lookUp ?? { try Self.ask($0) }
  }

  /// Looks a host up.
  ///
  /// - Parameters:
  ///   - host: a name, or an address, which is its own answer.
  ///   - tenantID: for whom.
  ///   - limit: how long to wait, for its turn and for the answer together.
  /// - Returns: its addresses, in the order in which they are best tried (RFC 6724).
  /// - Throws: ``Failure``; `CancellationError`, at once.
  func addresses(of host: String, for tenantID: UUID, within limit: Duration) async throws -> [NetworkAddress] {
    if let address = NetworkAddress(host) { return [address] }
    let key = Key(tenantID: tenantID, host: host)
    do {
      return try await withThrowingTaskGroup(of: [NetworkAddress]?.self) { group in
        group.addTask { [self] in try await answer(key) }
        group.addTask {
          try? await Task.sleep(for: limit)
          return nil
        }
        defer { group.cancelAll() }
        while let result = try await group.next() {
          if let result { return result }
          group.cancelAll()
        }
        throw Failure.unresolved
      }
    } catch {
      try Task.checkCancellation()
      throw error
    }
  }

  /// Waits until the look-up is over or the task is cancelled, which throws at once what is known by then.
  private func answer(_ key: Key) async throws -> [NetworkAddress] {
    let waiter = state.withLockedValue { state in
      state.lastWaiter += 1
      return state.lastWaiter
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let next = state.withLockedValue { state in
          if state.lookUps[key] == nil {
            state.lookUps[key] = LookUp()
            state.line.append(key)
          }
          state.lookUps[key]?.waiters[waiter] = continuation
          return state.next(limits)
        }
        begin(next)
        if Task.isCancelled { leave(key, waiter) }
      }
    } onCancel: {
      leave(key, waiter)
    }
  }

  private func leave(_ key: Key, _ waiter: Int) {
    let (continuation, hasBegun) = state.withLockedValue { state in
      let continuation = state.lookUps[key]?.waiters.removeValue(forKey: waiter)
      let hasBegun = state.lookUps[key]?.hasBegun == true
      // Nobody wants what has not begun.
      if !hasBegun, state.lookUps[key]?.waiters.isEmpty == true {
        state.lookUps[key] = nil
        state.line.removeAll { $0 == key }
      }
      return (continuation, hasBegun)
    }
    continuation?.resume(throwing: hasBegun ? Failure.unresolved : Failure.noTurn)
  }

  private func begin(_ keys: [Key]) {
    for key in keys {
      Thread.detachNewThread { [self] in
        let result = Result { try lookUp(key.host) }
        let (waiters, next) = state.withLockedValue { state in
          let waiters = state.lookUps.removeValue(forKey: key)?.waiters ?? [:]
          state.total -= 1
          state.begun[key.tenantID] = state.begun[key.tenantID].flatMap { $0 > 1 ? $0 - 1 : nil }
          return (waiters, state.next(limits))
        }
        for waiter in waiters.values { waiter.resume(with: result) }
        begin(next)
      }
    }
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

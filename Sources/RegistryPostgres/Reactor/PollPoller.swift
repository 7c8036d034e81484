import NIOConcurrencyHelpers

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Readiness by poll(2), for systems without epoll. Each arming wakes the waiting thread, so that it polls the new set.
final class PollPoller: ReadinessPoller {
  private struct State {
    var armed: [UInt64: (descriptor: CInt, interest: Interest)] = [:]
    var known: Set<UInt64> = []
  }

  private let state = NIOLockedValueBox(State())
  private let pipeEnds: (read: CInt, write: CInt)

  init() throws(PollerError) {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw PollerError(call: "pipe", errno: errno) }
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    pipeEnds = (ends[0], ends[1])
  }

  func add(_ descriptor: CInt, id: UInt64) throws(PollerError) {
    state.withLockedValue { _ = $0.known.insert(id) }
  }

  func arm(_ descriptor: CInt, id: UInt64, for interest: Interest) throws(PollerError) {
    let isKnown = state.withLockedValue { state in
      guard state.known.contains(id) else { return false }
      state.armed[id] = (descriptor, interest)
      return true
    }
    guard isKnown else { throw PollerError(call: "arm", errno: ENOENT) }
    wake()
  }

  func remove(_ descriptor: CInt, id: UInt64) {
    let wasArmed = state.withLockedValue { state in
      state.known.remove(id)
      return state.armed.removeValue(forKey: id) != nil
    }
    if wasArmed { wake() }
  }

  func wait(milliseconds: CInt, into ready: inout [UInt64]) {
    var ids: [UInt64] = []
    var entries = [pollfd(fd: pipeEnds.read, events: Int16(POLLIN), revents: 0)]
    state.withLockedValue { state in
      for (id, armed) in state.armed {
        var events: Int16 = 0
        if armed.interest.contains(.read) { events |= Int16(POLLIN) }
        if armed.interest.contains(.write) { events |= Int16(POLLOUT) }
        ids.append(id)
        entries.append(pollfd(fd: armed.descriptor, events: events, revents: 0))
      }
    }
    guard poll(&entries, nfds_t(entries.count), milliseconds) > 0 else { return }
    if entries[0].revents != 0 {
      withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
        while read(pipeEnds.read, buffer.baseAddress, 256) == 256 {}
      }
    }
    state.withLockedValue { state in
      for (id, entry) in zip(ids, entries.dropFirst()) where entry.revents != 0 {
        // Armed anew for other descriptors since: ids are never used twice, so an entry still there is the same one.
        if state.armed.removeValue(forKey: id) != nil { ready.append(id) }
      }
    }
  }

  func wake() {
    var byte: UInt8 = 1
    // A full pipe wakes as well.
    _ = write(pipeEnds.write, &byte, 1)
  }

  func close() {
    closeDescriptor(pipeEnds.read)
    closeDescriptor(pipeEnds.write)
  }
}

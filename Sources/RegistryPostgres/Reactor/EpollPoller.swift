#if os(Linux)
  import CLibpq
  #if canImport(Musl)
    import Musl
  #else
    import Glibc
  #endif

  /// Readiness by epoll, with `EPOLLONESHOT`: a report disarms its descriptor.
  final class EpollPoller: ReadinessPoller {
    private let epoll: CInt
    private let event: CInt
    /// Stands for the eventfd; ids of descriptors begin at 1.
    private static let wakeID: UInt64 = 0

    init() throws(PollerError) {
      epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
      guard epoll >= 0 else { throw PollerError(call: "epoll_create1", errno: errno) }
      event = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
      guard event >= 0 else {
        let error = PollerError(call: "eventfd", errno: errno)
        closeDescriptor(epoll)
        throw error
      }
      try control(EPOLL_CTL_ADD, event, id: Self.wakeID, events: EPOLLIN.rawValue)
    }

    func add(_ descriptor: CInt, id: UInt64) throws(PollerError) {
      try control(EPOLL_CTL_ADD, descriptor, id: id, events: EPOLLONESHOT.rawValue)
      // A hang-up is reported even unasked, once: without a waiter that report is lost, and armed it comes again.
    }

    func arm(_ descriptor: CInt, id: UInt64, for interest: Interest) throws(PollerError) {
      var events = EPOLLONESHOT.rawValue
      if interest.contains(.read) { events |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue }
      if interest.contains(.write) { events |= EPOLLOUT.rawValue }
      try control(EPOLL_CTL_MOD, descriptor, id: id, events: events)
    }

    func remove(_ descriptor: CInt, id: UInt64) {
      try? control(EPOLL_CTL_DEL, descriptor, id: id, events: 0)
    }

    func wait(milliseconds: CInt, into ready: inout [UInt64]) {
      withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 64) { events in
        let count = epoll_wait(epoll, events.baseAddress, 64, milliseconds)
        guard count > 0 else { return }
        for index in 0..<Int(count) {
          let id = events[index].data.u64
          if id == Self.wakeID {
            var value: UInt64 = 0
            _ = read(event, &value, 8)
          } else {
            ready.append(id)
          }
        }
      }
    }

    func wake() {
      var one: UInt64 = 1
      _ = write(event, &one, 8)
    }

    func close() {
      closeDescriptor(event)
      closeDescriptor(epoll)
    }

    private func control(_ operation: CInt, _ descriptor: CInt, id: UInt64, events: UInt32) throws(PollerError) {
      var event = epoll_event(events: events, data: epoll_data_t(u64: id))
      guard epoll_ctl(epoll, operation, descriptor, &event) == 0 else {
        throw PollerError(call: "epoll_ctl", errno: errno)
      }
    }
  }
#endif

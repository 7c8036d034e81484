import CLibpq

/// The sole owner of a `PGconn` and of its socket's place in the reactor.
///
/// libpq lets one thread at a time use a `PGconn`; the handle never leaves the actor that owns it.
struct LibpqHandle: ~Copyable {
  /// `nil` once finished; libpq takes a null connection for a broken one in every call made here.
  private(set) var pointer: OpaquePointer?
  let registration: Registration
  /// What libpq's notice receiver writes to; must outlive the `PGconn`.
  let notices: NoticeSink

  /// Takes over a connection that has been established.
  init(_ pointer: OpaquePointer, registration: Registration, notices: NoticeSink) {
    self.pointer = pointer
    self.registration = registration
    self.notices = notices
  }

  deinit {
    if let pointer {
      PQfinish(pointer)
      registration.close()
    }
  }

  /// Closes the connection. The duplicate is closed right after libpq's own socket.
  mutating func finish() {
    guard let pointer else { return }
    self.pointer = nil
    PQfinish(pointer)
    registration.close()
  }

  var isBroken: Bool { PQstatus(pointer) == CONNECTION_BAD }
}

/// A libpq object on its way between threads, used by one at a time.
struct TransferredPointer: @unchecked Sendable {
  let pointer: OpaquePointer
}

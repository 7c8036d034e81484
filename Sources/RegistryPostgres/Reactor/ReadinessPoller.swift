/// What a waiter waits for.
struct Interest: OptionSet, Sendable, Hashable {
  let rawValue: UInt8

  static let read = Interest(rawValue: 1)
  static let write = Interest(rawValue: 2)
}

/// The operating system's way of telling which descriptors are ready.
///
/// Descriptors are registered under ids of the caller's own that are never used twice, because the kernel reuses
/// descriptor numbers at once. Reports are hints: an error or a hang-up counts as ready, and a report may come late or
/// in vain.
protocol ReadinessPoller: Sendable {
  /// Watches a descriptor, reporting nothing until it is armed.
  func add(_ descriptor: CInt, id: UInt64) throws(PollerError)
  /// Asks for one report as soon as the descriptor is ready; replaces what was asked before.
  func arm(_ descriptor: CInt, id: UInt64, for interest: Interest) throws(PollerError)
  /// Watches the descriptor no more. A report under way may still come.
  func remove(_ descriptor: CInt, id: UInt64)
  /// Blocks until a descriptor is ready, `wake()` is called or the time is over; appends the ids that are ready.
  /// One thread only may call it.
  func wait(milliseconds: CInt, into ready: inout [UInt64])
  /// Ends the present wait, or the next one; callable from any thread.
  func wake()
  /// Frees what the poller holds, once no thread waits any more.
  func close()
}

/// A refusal of the operating system, for example for want of descriptors.
struct PollerError: Error {
  let call: String
  let errno: CInt
}

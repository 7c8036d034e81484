/// What one caller does again and again. The loop costs little beside it, so that the driver is measured and not the
/// benchmark.
protocol Caller: SendableMetatype {
  /// Calls once, and waits for the answer.
  /// - Throws: what the call throws.
  nonisolated(nonsending) mutating func call() async throws
}

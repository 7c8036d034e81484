/// Lets a number of tasks in at once; the others wait in the order in which they came.
actor ConcurrencyLimit {
  private var free: Int
  private var waiters: [CheckedContinuation<Void, Never>] = []

  init(_ limit: Int) { self.free = limit }

  /// Does something when there is room for it.
  nonisolated func withPermit<Value: Sendable>(_ work: @Sendable () async -> Value) async -> Value {
    await self.enter()
    let value = await work()
    await self.leave()
    return value
  }

  private func enter() async {
    if self.free > 0 {
      self.free -= 1
      return
    }
    await withCheckedContinuation { self.waiters.append($0) }
  }

  private func leave() {
    if self.waiters.isEmpty {
      self.free += 1
    } else {
      self.waiters.removeFirst().resume()
    }
  }
}

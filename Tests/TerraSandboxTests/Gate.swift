/// Holds those who come until it is opened, and tells how many were inside at once.
actor Gate {
  private var isOpen = false
  private var inside = 0
  private(set) var most = 0
  private var held: [CheckedContinuation<Void, Never>] = []
  private var watchers: [(number: Int, CheckedContinuation<Void, Never>)] = []

  func pass() async {
    self.inside += 1
    self.most = max(self.most, self.inside)
    for (number, watcher) in self.watchers where number <= self.inside { watcher.resume() }
    self.watchers.removeAll { $0.number <= self.inside }
    if !self.isOpen { await withCheckedContinuation { self.held.append($0) } }
    self.inside -= 1
  }

  func open() {
    self.isOpen = true
    for waiter in self.held { waiter.resume() }
    self.held = []
  }

  func waitUntilWaiting(_ number: Int) async {
    guard self.inside < number else { return }
    await withCheckedContinuation { self.watchers.append((number, $0)) }
  }
}

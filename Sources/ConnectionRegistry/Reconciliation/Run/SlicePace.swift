/// How much to do in one step, told from how long the last one took, so that a step takes about `target`.
struct SlicePace: Sendable, Hashable {
  /// How much the next step takes on: subjects, or seconds of a window.
  private(set) var size: Double
  let bounds: ClosedRange<Double>
  /// How long a step shall take, in seconds.
  let target: Double
  /// How many times as much as the last step the next one takes on at most, because the first of a cold cache tell little.
  let growth: Double

  /// Whether the next step is as small as one can be, and must be let through however long it takes.
  var isLeast: Bool { size <= bounds.lowerBound }

  init(size: Double, bounds: ClosedRange<Double>, target: Double, growth: Double = 4) {
    self.bounds = bounds
    self.target = target
    self.growth = growth
    self.size = min(max(size, bounds.lowerBound), bounds.upperBound)
  }

  /// Takes note of a step of this size.
  ///
  /// - Parameters:
  ///   - done: how much it did; a short last step says nothing of what a full one takes.
  ///   - seconds: how long it took.
  mutating func note(done: Double, seconds: Double) {
    guard done >= size || seconds > target else { return }
    let factor = min(max(target / max(seconds, 1e-6), 0.25), growth)
    size = min(max(size * factor, bounds.lowerBound), bounds.upperBound)
  }

  /// A step was broken off because it took too long.
  mutating func shrink() {
    size = max(size / 8, bounds.lowerBound)
  }
}

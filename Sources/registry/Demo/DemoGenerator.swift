/// Random numbers that a seed repeats: SplitMix64 (Steele, Lea, Flood 2014).
struct DemoGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Begins a sequence.
  ///
  /// - Parameter seed: the same seed gives the same numbers.
  init(seed: UInt64) { self.state = seed }

  /// The next number.
  mutating func next() -> UInt64 {
    self.state &+= 0x9e37_79b9_7f4a_7c15
    var value = self.state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

import Foundation

/// The seed of a random test: `REGISTRY_TEST_SEED` where it is set, else a new one; printed, so that it can be set.
public enum TestSeed {
  /// Takes and prints the seed.
  ///
  /// - Parameter test: what the line that is printed names.
  /// - Returns: the seed.
  public static func take(_ test: String = #function) -> UInt64 {
    let given = ProcessInfo.processInfo.environment["REGISTRY_TEST_SEED"].flatMap(UInt64.init)
    let seed = given ?? UInt64.random(in: 1...999_999_999)
    print("\(test): seed \(seed); repeat with REGISTRY_TEST_SEED=\(seed)")
    return seed
  }
}

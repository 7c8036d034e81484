/// When a delivery that failed is tried again: each time three times later, up to eight hours, for three days.
struct DeliverySchedule: Sendable, Hashable {
  /// How long after the first attempt the second follows.
  var first: Duration = .seconds(5)
  /// How much longer each pause is than the one before.
  var factor = 3
  /// The longest pause.
  var longest: Duration = .seconds(8 * 3_600)
  /// For how long a delivery is tried.
  var total: Duration = .seconds(72 * 3_600)
  /// How many attempts are made at least, also where nobody made any for longer than that.
  var minimumAttempts = 5
  /// By which part a pause is made shorter or longer, so that what failed together does not come together.
  var jitter = 0.2

  /// The pause after an attempt.
  ///
  /// - Parameters:
  ///   - attempts: how many attempts failed so far, from 1.
  ///   - age: for how long the delivery has been due.
  ///   - chance: where in the jitter to be, from 0 to 1.
  ///   - retryAfter: how long the endpoint asked to be left alone; makes a pause longer, never shorter.
  /// - Returns: the pause; nil where the delivery is given up.
  func pause(after attempts: Int, age: Duration, chance: Double, retryAfter: Duration? = nil) -> Duration? {
    let left = total - age
    guard left > .zero || attempts < minimumAttempts else { return nil }
    var pause = min(first, longest)
    for _ in 1..<max(1, attempts) where pause < longest { pause = min(pause * factor, longest) }
    // The last attempt is made when the time is over, not before.
    if left > .zero { pause = min(pause, left) }
    let share = 1 + jitter * (2 * min(max(chance, 0), 1) - 1)
    return max(pause * share, retryAfter ?? .zero)
  }
}

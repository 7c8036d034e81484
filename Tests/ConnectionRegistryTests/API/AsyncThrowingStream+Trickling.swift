import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

extension AsyncThrowingStream where Element == String, Failure == any Error {
  /// What a slow client sends: a beginning at once, then a piece every 50 ms for as long as somebody takes it.
  ///
  /// - Parameters:
  ///   - beginning: what is sent at once.
  ///   - piece: what follows again and again.
  ///   - pieces: how often; then nothing more comes, and nothing ends.
  static func trickling(_ beginning: String, then piece: String, pieces: Int = .max) -> Self {
    let (stream, writer) = makeStream(of: String.self)
    writer.yield(beginning)
    let pace = TimeAmount.milliseconds(50)
    let left = NIOLockedValueBox(pieces)
    let timer = MultiThreadedEventLoopGroup.singleton.next().scheduleRepeatedTask(initialDelay: pace, delay: pace) {
      left.withLockedValue { $0 -= 1 }
      writer.yield(piece)
      if left.withLockedValue({ $0 }) <= 0 { $0.cancel() }
    }
    writer.onTermination = { _ in timer.cancel() }
    return stream
  }
}

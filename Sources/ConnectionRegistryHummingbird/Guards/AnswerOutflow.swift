import NIOCore

/// Closes a connection whose client takes nothing of what waits for it; it lives on the connection's event loop.
///
/// Only while more waits than the connection holds: then nothing is added, so whatever goes out makes less of it. One that
/// takes something now and then is slow, and stays.
final class AnswerOutflow {
  private var waiting = Int.max
  private var timer: Scheduled<Void>?

  /// Begins to watch when a connection can take no more, and stops when it can.
  ///
  /// - Parameters:
  ///   - context: The place of the connection's handler.
  ///   - stall: How long nothing may go out.
  func changed(_ context: ChannelHandlerContext, stall: TimeAmount) {
    guard !context.channel.isWritable else { return stop() }
    guard timer == nil else { return }
    waiting = Self.waiting(context)
    watch(context, stall)
  }

  /// Stops watching.
  func stop() {
    timer?.cancel()
    timer = nil
  }

  private func watch(_ context: ChannelHandlerContext, _ stall: TimeAmount) {
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: stall) {
      self.timer = nil
      guard context.channel.isActive else { return }
      let waiting = Self.waiting(context)
      guard waiting < self.waiting else { return context.close(promise: nil) }
      self.waiting = waiting
      self.watch(context, stall)
    }
  }

  /// How many bytes have not gone out.
  private static func waiting(_ context: ChannelHandlerContext) -> Int {
    (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? .max
  }
}

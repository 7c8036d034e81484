import HTTPTypes
public import NIOCore
public import NIOHTTPTypes

/// Keeps clients whose bodies trickle, or whose bodies nobody reads, and clients that do not read their answers from holding
/// connections; one for each connection.
///
/// A body that comes more slowly than its limits allow ends in an error, which the registry's routes answer with 408. An
/// answer that goes out before the body was whole says `Connection: close`, and the connection ends with it. Time in which
/// the server itself does not read does not count. A connection whose client takes nothing of what waits for it is closed.
///
/// ```swift
/// let server = HTTPServerBuilder.http1(
///   configuration: .init(additionalChannelHandlers: [BodyArrivalHandler()], idleTimeout: .seconds(60)))
/// ```
public final class BodyArrivalHandler: ChannelDuplexHandler, RemovableChannelHandler {
  /// What comes from the client.
  public typealias InboundIn = HTTPRequestPart
  /// What the routes get.
  public typealias InboundOut = HTTPRequestPart
  /// What the routes answer.
  public typealias OutboundIn = HTTPResponsePart
  /// What goes to the client.
  public typealias OutboundOut = HTTPResponsePart

  private enum State {
    case open
    /// The body was too slow: what still comes is thrown away until the answer has gone out.
    case givenUp
    /// The last answer has gone out: what still comes is thrown away until the connection is closed.
    case lingering
  }

  private let limits: BodyArrivalLimits
  private var state = State.open
  /// How many requests have begun to which no whole answer was given.
  private var unanswered = 0
  /// Whether the end of the latest request's body has not come yet.
  private var isArriving = false
  private var isInputClosed = false
  /// Whether the answer under way is the connection's last.
  private var isLast = false
  private var bytes = 0
  /// How long the server has waited for the body, without the time since ``waitingSince``.
  private var waited = TimeAmount.zero
  private var waitingSince: NIODeadline?
  private var timer: Scheduled<Void>?
  private let outflow = AnswerOutflow()

  /// Makes the handler of one connection.
  ///
  /// - Parameter limits: How slowly a body may arrive.
  public init(limits: BodyArrivalLimits = BodyArrivalLimits()) { self.limits = limits }

  /// Begins to watch a body with its head, and stops at its end.
  ///
  /// - Parameters:
  ///   - context: The handler's place in the pipeline.
  ///   - data: A part of a request.
  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let part = unwrapInboundIn(data)
    guard state == .open else {
      if case .end = part { isArriving = false }
      if state == .lingering, !isArriving { context.close(promise: nil) }
      return
    }
    switch part {
    case .head:
      unanswered += 1
      (isArriving, bytes, waited, waitingSince) = (true, 0, .zero, nil)
    case .body(let piece):
      bytes += piece.readableBytes
    case .end:
      isArriving = false
      stopTimer()
    }
    context.fireChannelRead(data)
  }

  /// Counts the time that was waited.
  ///
  /// - Parameter context: The handler's place in the pipeline.
  public func channelReadComplete(context: ChannelHandlerContext) {
    if let since = waitingSince { waited = waited + (.now() - since) }
    waitingSince = nil
    context.fireChannelReadComplete()
    if state != .open {
      context.read()
    } else if isArriving, timer == nil {
      watch(context, for: TimeAmount(limits.grace))
    }
  }

  /// Notes that the server waits for the client.
  ///
  /// - Parameter context: The handler's place in the pipeline.
  public func read(context: ChannelHandlerContext) {
    if isArriving, waitingSince == nil { waitingSince = .now() }
    context.read()
  }

  /// Ends the connection with an answer that goes out before the body is whole.
  ///
  /// - Parameters:
  ///   - context: The handler's place in the pipeline.
  ///   - data: A part of an answer.
  ///   - promise: Fulfilled when it is written.
  public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head) where isArriving && unanswered == 1 && head.status.kind != .informational:
      isLast = true
      head.headerFields[.connection] = "close"
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .end where isLast:
      unanswered -= 1
      let written = promise ?? context.eventLoop.makePromise()
      written.futureResult.assumeIsolated().whenComplete { _ in self.finish(context) }
      state = .lingering
      stopTimer()
      timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.linger)) {
        context.close(promise: nil)
      }
      context.writeAndFlush(data, promise: written)
    case .end:
      unanswered -= 1
      context.write(data, promise: promise)
    default:
      context.write(data, promise: promise)
    }
  }

  /// Closes a connection that only lingers when its client has closed it.
  ///
  /// - Parameters:
  ///   - context: The handler's place in the pipeline.
  ///   - event: What happened.
  public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed = event {
      isInputClosed = true
      if state == .lingering { context.close(promise: nil) }
    }
    context.fireUserInboundEventTriggered(event)
  }

  /// Watches whether anything goes out while more waits than the connection holds.
  ///
  /// - Parameter context: The handler's place in the pipeline.
  public func channelWritabilityChanged(context: ChannelHandlerContext) {
    outflow.changed(context, stall: TimeAmount(limits.stall))
    context.fireChannelWritabilityChanged()
  }

  /// Stops watching.
  ///
  /// - Parameter context: The handler's place in the pipeline.
  public func channelInactive(context: ChannelHandlerContext) {
    stopTimer()
    outflow.stop()
    context.fireChannelInactive()
  }

  /// Stops watching.
  ///
  /// - Parameter context: The handler's place in the pipeline.
  public func handlerRemoved(context: ChannelHandlerContext) {
    stopTimer()
    outflow.stop()
  }

  /// Half-closes, so that the client sees the answer's end while it still sends.
  private func finish(_ context: ChannelHandlerContext) {
    guard isArriving, !isInputClosed, context.channel.isActive else { return context.close(promise: nil) }
    context.close(mode: .output, promise: nil)
    context.read()
  }

  private func watch(_ context: ChannelHandlerContext, for time: TimeAmount) {
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) {
      self.timer = nil
      self.check(context)
    }
  }

  private func check(_ context: ChannelHandlerContext) {
    guard state == .open, isArriving else { return }
    let waiting = waitingSince.map { .now() - $0 } ?? TimeAmount.zero
    let allowed = limits.grace + .seconds(Double(bytes) / Double(limits.bytesPerSecond))
    let left = TimeAmount(allowed) - waited - waiting
    guard left <= .zero else {
      // Not at once again, where the server itself does not read.
      return watch(context, for: max(left, .milliseconds(50)))
    }
    state = .givenUp
    context.fireErrorCaught(SlowBodyError())
  }

  private func stopTimer() {
    timer?.cancel()
    timer = nil
  }
}

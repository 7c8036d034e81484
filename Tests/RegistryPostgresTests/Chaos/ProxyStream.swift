/// One direction of a relayed conversation: what came in, and what may go out now. Does no I/O.
struct ProxyStream {
  /// How bytes are passed on.
  enum Flow: Sendable, Equatable {
    case through
    /// So many bytes at a time, each time once the reader has taken what it got before.
    case chunks(Int)
    /// Messages are joined until the other side must speak; then all but the last byte go out at once, and the last
    /// byte once the reader has taken the others.
    case joined
    /// Nothing, until the flow is changed.
    case held
  }

  /// A place in the stream, counted from its beginning.
  enum Point: Sendable, Equatable {
    case messages(Int)
    case bytes(Int)
  }

  var flow = Flow.through
  /// Nothing goes out beyond it.
  var limit: Point?
  /// Whether the source will send no more.
  var hasEnded = false
  /// Whether bytes that still come are dropped.
  var isDiscarding = false
  /// How many bytes were passed on.
  private(set) var passedBytes = 0
  /// How many whole messages were passed on.
  private(set) var passedMessages = 0
  /// What is still to be passed on; the first byte stands at ``passedBytes``.
  private(set) var buffer: [UInt8] = []
  /// Type and end of each message that came in.
  private(set) var messages: [(type: UInt8, end: Int)] = []
  private var framing: MessageFraming
  /// Where the last message ends after which the other side must speak.
  private var turn = 0
  private let turnTypes: Set<UInt8>

  init(fromClient: Bool) {
    framing = MessageFraming(beginsUntyped: fromClient)
    turnTypes = Set((fromClient ? "SQHXpcf" : "ZRGW").utf8).union([0])
  }

  mutating func receive(_ bytes: [UInt8]) {
    guard !isDiscarding else { return }
    let start = passedBytes + buffer.count
    var index = 0
    while index < bytes.count {
      let (end, type) = framing.advance(bytes, from: index)
      index = end
      guard let type else { continue }
      messages.append((type, start + end))
      if turnTypes.contains(type) { turn = start + end }
    }
    buffer += bytes
  }

  /// How many bytes of ``buffer`` may be written now.
  var allowance: Int {
    var end = passedBytes + buffer.count
    switch flow {
    case .through: break
    case .held: return 0
    // What is large would keep the proxy's thread from its other links.
    case .chunks(let size): end = min(end, passedBytes + max(size, buffer.count - 4096))
    case .joined:
      if hasEnded { break }
      end = passedBytes < turn - 1 ? turn - 1 : turn
    }
    if let limitOffset { end = min(end, limitOffset) }
    return max(0, end - passedBytes)
  }

  /// Whether the reader must have taken what was written before anything more is.
  var waitsForReader: Bool {
    switch flow {
    case .through, .held: false
    case .chunks, .joined: true
    }
  }

  mutating func pass(_ count: Int) {
    buffer.removeFirst(count)
    passedBytes += count
    while passedMessages < messages.count, messages[passedMessages].end <= passedBytes { passedMessages += 1 }
  }

  /// Forgets what was not passed on, and whatever comes.
  mutating func discard() {
    buffer.removeAll()
    isDiscarding = true
  }

  /// Whether everything up to the limit has been passed on, and nothing beyond it.
  var isAtLimit: Bool { limitOffset.map { passedBytes >= $0 } ?? false }

  /// The limit in bytes, once that is known.
  private var limitOffset: Int? {
    switch limit {
    case nil: nil
    case .bytes(let count): count
    case .messages(let count): count == 0 ? 0 : count <= messages.count ? messages[count - 1].end : nil
    }
  }
}

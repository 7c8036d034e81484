import Crypto
import RegistryTerra

/// Takes a body in as it streams: verified, hashed and looked through in constant memory, buffered only as far as an
/// auth event may reach.
struct WebhookBody {
  /// The largest auth event that is read, in bytes.
  static let maximumEventBytes = 256 << 10
  /// The largest body that is read at all, in bytes.
  static let maximumBytes = 32 << 20
  /// How much of a rejected body is kept, in bytes.
  static let keptOfRejected = 16 << 10

  private(set) var bytes = 0
  /// The body's beginning; all of it while it is not above ``maximumEventBytes``.
  private(set) var buffered: [UInt8] = []
  private var verifier: SignatureVerifier
  private var hash = SHA256()
  private var sniffer = EventSniffer()

  init(verifier: SignatureVerifier) {
    self.verifier = verifier
  }

  /// Takes the next piece; false where the body is too large to go on.
  mutating func take(_ piece: some Sequence<UInt8>) -> Bool {
    let piece = Array(piece)
    bytes += piece.count
    guard bytes <= Self.maximumBytes else { return false }
    piece.withUnsafeBytes {
      verifier.update($0)
      hash.update(bufferPointer: $0)
    }
    if bytes <= Self.maximumEventBytes {
      buffered += piece
    } else {
      // What exceeds an event is data or refused: only a beginning stays, for the receipt of a rejected one.
      buffered += piece.prefix(max(0, Self.keptOfRejected - buffered.count))
      if buffered.count > Self.keptOfRejected { buffered = Array(buffered.prefix(Self.keptOfRejected)) }
    }
    sniffer.feed(piece)
    return true
  }

  var isComplete: Bool { bytes <= Self.maximumEventBytes }
  var isAuthentic: Bool { verifier.finalize() }
  var sha256: [UInt8] { Array(hash.finalize()) }
  var sniffed: SniffedEvent { sniffer.finish() }
}

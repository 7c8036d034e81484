import Crypto
import Foundation
import NIOCore

/// The bytes of a webhook, whole or made on the way, so that a large one needs no memory.
enum WebhookBody: Sendable, AsyncSequence {
  case whole([UInt8])
  /// `element` stands `count` times between `prefix` and `suffix`, with commas.
  case repeated(prefix: [UInt8], element: [UInt8], count: Int, suffix: [UInt8])

  /// A data webhook of a size.
  ///
  /// - Parameters:
  ///   - type: the event's type, such as `daily`.
  ///   - user: Terra's user object.
  ///   - size: the least size, in bytes.
  ///   - namesLast: whether type and user stand behind the data instead of before it.
  /// - Returns: a body that is made while it is sent.
  static func measurements(type: String, user: JSONValue, size: Int, namesLast: Bool) -> WebhookBody {
    let names = "\"status\":\"success\",\"type\":\(JSONValue.string(type).text),\"user\":\(user.text)"
    let element = """
      {"metadata":{"start_time":"2026-01-01T00:00:00.000000+00:00","end_time":"2026-01-02T00:00:00.000000+00:00",\
      "upload_type":1},"distance_data":{"steps":8123,"distance_meters":5931.4},\
      "heart_rate_data":{"summary":{"avg_hr_bpm":71.5,"max_hr_bpm":152,"min_hr_bpm":48}},\
      "device_data":{"name":"Band \\"5\\"","hardware_version":null}}
      """
    let version = "\"version\":\"2022-03-16\"}"
    let prefix = namesLast ? "{\"data\":[" : "{\(names),\"data\":["
    let suffix = namesLast ? "],\(names),\(version)" : "],\(version)"
    let rest = size - prefix.utf8.count - suffix.utf8.count
    let count = Swift.max(1, (rest + element.utf8.count) / (element.utf8.count + 1))
    return .repeated(
      prefix: Array(prefix.utf8), element: Array(element.utf8), count: count, suffix: Array(suffix.utf8))
  }

  /// The number of bytes.
  var count: Int {
    switch self {
    case .whole(let bytes): bytes.count
    case .repeated(let prefix, let element, let count, let suffix):
      prefix.count + suffix.count + count * element.count + Swift.max(0, count - 1)
    }
  }

  /// SHA-256 of the bytes, as lower-case hexadecimal digits.
  func sha256() -> String {
    var hash = SHA256()
    for chunk in self.chunks { hash.update(data: chunk) }
    return hexadecimal(hash.finalize())
  }

  /// The signature's header.
  func signature(secret: String, timestamp: Int64) -> String {
    var signer = WebhookSigner(secret: secret, timestamp: timestamp)
    for chunk in self.chunks { signer.update(chunk) }
    return signer.header()
  }

  /// The bytes in pieces of at most some ten kilobytes.
  var chunks: Chunks { Chunks(body: self) }

  /// The pieces of a body.
  struct Chunks: Sequence, IteratorProtocol {
    private let body: WebhookBody
    private var step = 0

    init(body: WebhookBody) { self.body = body }

    mutating func next() -> [UInt8]? {
      defer { self.step += 1 }
      switch self.body {
      case .whole(let bytes): return self.step == 0 ? bytes : nil
      case .repeated(let prefix, let element, let count, let suffix):
        let perChunk = 100
        if self.step == 0 { return prefix }
        let first = (self.step - 1) * perChunk
        if first >= count { return first < count + perChunk ? suffix : nil }
        var chunk: [UInt8] = []
        chunk.reserveCapacity(perChunk * (element.count + 1))
        for index in first..<Swift.min(count, first + perChunk) {
          if index > 0 { chunk.append(UInt8(ascii: ",")) }
          chunk += element
        }
        return chunk
      }
    }
  }

  /// The pieces as an HTTP client wants them.
  struct AsyncIterator: AsyncIteratorProtocol {
    var chunks: Chunks

    mutating func next() async -> ByteBuffer? {
      self.chunks.next().map { ByteBuffer(bytes: $0) }
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(chunks: self.chunks) }
}

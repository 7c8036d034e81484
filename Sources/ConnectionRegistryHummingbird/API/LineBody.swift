import Foundation
import Hummingbird
import NIOFoundationCompat

/// A body of lines, which its operation reads one by one.
struct LineBody: AsyncSequence, Sendable {
  typealias Element = String

  private let pieces: [Data.SubSequence]

  /// - Parameter data: The body, as ``read(from:maximumBytes:)`` gives it.
  init(_ data: Data) {
    pieces = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  }

  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var pieces: IndexingIterator<[Data.SubSequence]>

    /// A line that is no UTF-8 is not repaired: what is given in its place is no envelope, and so refused by its number.
    mutating func next() async -> String? {
      pieces.next().map { String(validating: $0, as: UTF8.self) ?? "\u{FFFD}" }
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pieces: pieces.makeIterator()) }

  /// Reads the whole body, so that a repetition of the request can be told from another.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - maximumBytes: The largest body that is taken.
  /// - Returns: The body.
  /// - Throws: ``Problem``: `content_too_large`, `unsupported_media_type`.
  static func read(from request: Request, maximumBytes: Int) async throws -> Data {
    let form = APIOperation.BodyForm.lines(maximumBytes: maximumBytes)
    return Data(buffer: try await JSONBody.bytes(of: request, upTo: maximumBytes, type: form.contentType))
  }
}

import Hummingbird
import NIOCore

/// A body that stopped before its end.
enum UnfinishedBody: Error {
  /// It came more slowly than it may.
  case tooSlow
  /// Its client has gone, or what it sent was no HTTP any more.
  case departed(any Error)
}

/// The body of a request, whose errors tell the client's faults from the service's.
struct ArrivingBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  private let body: RequestBody

  init(_ request: Request) { body = request.body }

  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var pieces: RequestBody.AsyncIterator

    mutating func next() async throws -> ByteBuffer? {
      do {
        return try await pieces.next()
      } catch is SlowBodyError {
        throw UnfinishedBody.tooSlow
      } catch let error as CancellationError {
        throw error
      } catch {
        throw UnfinishedBody.departed(error)
      }
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pieces: body.makeAsyncIterator()) }
}

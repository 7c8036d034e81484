import Foundation
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix

/// A backend that takes deliveries over real HTTP, and behaves as badly as a test wants.
public final class Receiver: Sendable {
  /// What it does with a request.
  public enum Behaviour: Sendable, Hashable {
    /// Answers, with more headers where some are given.
    case answer(Int, headers: [String] = [])
    /// Says nothing until the other side goes away.
    case hang
    /// Answers what is not HTTP.
    case garbage
    /// Goes away without a word.
    case close
    /// Answers 200 and a body that never ends.
    case trickle
  }

  /// One request as it came.
  public struct Request: Sendable {
    /// The path and query.
    public var target: String
    /// Headers with lower-case names.
    public var headers: [String: String]
    /// The body.
    public var body: String
    /// What was done with it.
    public var behaviour: Behaviour
    /// How many others to the same receiver were under way when it came.
    public var others: Int

    /// The id that every attempt of a delivery has.
    public var id: String { headers["webhook-id"] ?? "" }

    /// Whether it was answered with success.
    public var isTaken: Bool { if case .answer(200..<300, _) = behaviour { true } else { false } }
  }

  private struct State {
    typealias Condition = @Sendable (_ requests: [Request], _ taken: Int) -> Bool

    var requests: [Request] = []
    var taken = 0
    var underway = 0
    var waiting: [(condition: Condition, continuation: CheckedContinuation<Void, Never>)] = []
  }

  /// Where it listens.
  public let port: Int
  private let state = NIOLockedValueBox(State())
  private let behave: @Sendable (Request) async -> Behaviour

  private init(port: Int, behave: @escaping @Sendable (Request) async -> Behaviour) {
    self.port = port
    self.behave = behave
  }

  /// Where it takes deliveries.
  public var url: String { "http://127.0.0.1:\(port)/deliveries" }

  /// Everything that came so far.
  public var requests: [Request] { state.withLockedValue { $0.requests } }

  /// The requests that were answered with success.
  public var taken: [Request] { requests.filter(\.isTaken) }

  /// Waits until what came satisfies a condition.
  public func wait(_ condition: @escaping @Sendable ([Request]) -> Bool) async {
    await wait { requests, _ in condition(requests) }
  }

  private func wait(_ condition: @escaping State.Condition) async {
    await withCheckedContinuation { continuation in
      let holds = state.withLockedValue { state in
        if condition(state.requests, state.taken) { return true }
        state.waiting.append((condition, continuation))
        return false
      }
      if holds { continuation.resume() }
    }
  }

  /// Waits until so many deliveries were taken.
  public func wait(taken count: Int) async {
    await wait { _, taken in taken >= count }
  }

  /// Runs a receiver for as long as a closure runs.
  ///
  /// - Parameters:
  ///   - behave: what to do with each request; it is recorded once this returns.
  ///   - body: uses the receiver.
  /// - Returns: what the closure returns.
  /// - Throws: what the closure throws, and what keeps the server from listening.
  public static func with<Value: Sendable>(
    _ behave: @escaping @Sendable (Request) async -> Behaviour = { _ in .answer(200) },
    _ body: @Sendable (Receiver) async throws -> Value
  ) async throws -> Value {
    try await run(behave, prepare: { _ in }, body)
  }

  /// Runs a receiver whose connections are prepared before anything is read, such as for TLS, and that takes everything.
  ///
  /// - Parameters:
  ///   - prepare: prepares the channel of a connection.
  ///   - headers: more headers of its answers.
  ///   - body: uses the receiver.
  /// - Returns: what the closure returns.
  /// - Throws: what the closure throws, and what keeps the server from listening.
  public static func secured<Value: Sendable>(
    by prepare: @escaping @Sendable (any Channel) throws -> Void, answering headers: [String] = [],
    _ body: @Sendable (Receiver) async throws -> Value
  ) async throws -> Value {
    try await run({ _ in .answer(200, headers: headers) }, prepare: prepare, body)
  }

  private static func run<Value: Sendable>(
    _ behave: @escaping @Sendable (Request) async -> Behaviour,
    prepare: @escaping @Sendable (any Channel) throws -> Void, _ body: @Sendable (Receiver) async throws -> Value
  ) async throws -> Value {
    let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.backlog, value: 1_024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          try prepare(channel)
          return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    let receiver = Receiver(port: server.channel.localAddress?.port ?? 0, behave: behave)
    let serving = Task {
      try await server.executeThenClose { connections in
        try await withThrowingDiscardingTaskGroup { group in
          for try await connection in connections {
            group.addTask { try? await receiver.serve(connection) }
          }
        }
      }
    }
    let result: Result<Value, any Error>
    do {
      result = .success(try await body(receiver))
    } catch {
      result = .failure(error)
    }
    serving.cancel()
    _ = await serving.result
    return try result.get()
  }

  private func serve(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
    try await connection.executeThenClose { inbound, outbound in
      var bytes: [UInt8] = []
      var pieces = inbound.makeAsyncIterator()
      while true {
        while Self.request(in: bytes) == nil {
          guard let piece = try await pieces.next() else { return }
          bytes += piece.readableBytesView
        }
        guard let read = Self.request(in: bytes) else { return }
        var request = read.0
        bytes.removeFirst(read.1)
        request.others = state.withLockedValue { state in
          defer { state.underway += 1 }
          return state.underway
        }
        request.behaviour = await behave(request)
        record(request)
        defer { state.withLockedValue { $0.underway -= 1 } }
        switch request.behaviour {
        case .answer(let status, let headers):
          let lines = ["HTTP/1.1 \(status) X", "Content-Length: 2"] + headers + ["", "ok"]
          try await outbound.write(ByteBuffer(string: lines.joined(separator: "\r\n")))
        case .hang:
          while try await pieces.next() != nil {}
          return
        case .garbage:
          try await outbound.write(ByteBuffer(string: "\u{1}\u{2} this is not HTTP\r\n\r\n\r\n"))
          return
        case .close: return
        case .trickle:
          try await outbound.write(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"))
          while true {
            try await outbound.write(ByteBuffer(string: "x"))
            try await Task.sleep(for: .milliseconds(20))
          }
        }
      }
    }
  }

  private func record(_ request: Request) {
    let due = state.withLockedValue { state in
      state.requests.append(request)
      if request.isTaken { state.taken += 1 }
      let due = state.waiting.filter { $0.condition(state.requests, state.taken) }
      state.waiting.removeAll { $0.condition(state.requests, state.taken) }
      return due
    }
    for (_, continuation) in due { continuation.resume() }
  }

  /// The first request in these bytes and its length; nil while it is not whole.
  private static func request(in bytes: [UInt8]) -> (Request, Int)? {
    let end = Array("\r\n\r\n".utf8)
    guard bytes.count >= end.count,
      let head = (0...(bytes.count - end.count)).first(where: { bytes[$0..<($0 + end.count)].elementsEqual(end) })
    else { return nil }
    let lines = String(decoding: bytes[..<head], as: UTF8.self).components(separatedBy: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
    }
    let length = head + end.count + (Int(headers["content-length"] ?? "") ?? 0)
    guard bytes.count >= length else { return nil }
    let words = lines[0].split(separator: " ")
    return (
      Request(
        target: words.count > 1 ? String(words[1]) : "", headers: headers,
        body: String(decoding: bytes[(head + end.count)..<length], as: UTF8.self), behaviour: .close, others: 0),
      length
    )
  }
}

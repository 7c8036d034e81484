import Foundation
import NIOCore
import NIOPosix
import Testing

extension ServiceProcess {
  /// Sends a request byte by byte as given: a client library would mend what these tests break.
  ///
  /// - Parameters:
  ///   - line: Method and target, such as `GET /x%FF`.
  ///   - headers: Header lines, without `Host` and `Connection`.
  ///   - body: The body; its length is announced.
  /// - Returns: The answer.
  /// - Throws: `IOError` when the service is not reached.
  func sendRaw(_ line: [UInt8], headers: [(String, String)] = [], body: [UInt8] = []) async throws -> Answer {
    var request = ByteBuffer(bytes: line)
    request.writeString(" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: \(body.count)\r\n")
    for (name, value) in headers { request.writeString("\(name): \(value)\r\n") }
    request.writeString("\r\n")
    request.writeBytes(body)
    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    let message = request
    let received = try await channel.executeThenClose { inbound, outbound in
      try await outbound.write(message)
      var received = ByteBuffer()
      for try await piece in inbound { received.writeImmutableBuffer(piece) }
      return received
    }
    return try Self.parse(String(buffer: received))
  }

  /// Sends a request byte by byte as given.
  func sendRaw(_ line: String, headers: [(String, String)] = [], body: [UInt8] = []) async throws -> Answer {
    try await sendRaw(Array(line.utf8), headers: headers, body: body)
  }

  private static func parse(_ text: String) throws -> Answer {
    let end = try #require(text.range(of: "\r\n\r\n"), "no answer: \(text)")
    var lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
    let status = try #require(Int(lines.removeFirst().split(separator: " ")[1]))
    let headers = lines.compactMap { line -> (String, String)? in
      let parts = line.split(separator: ":", maxSplits: 1)
      return parts.count == 2 ? (parts[0].lowercased(), parts[1].trimmingCharacters(in: .whitespaces)) : nil
    }
    return Answer(
      status: status, headers: Dictionary(headers) { first, _ in first }, body: String(text[end.upperBound...]))
  }
}

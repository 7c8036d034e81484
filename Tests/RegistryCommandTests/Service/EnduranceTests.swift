import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix
import Testing

/// What must not break the service: a kill, a lost database, a flood of data.
@Suite(.serialized, .timeLimit(.minutes(20))) struct EnduranceTests {
  /// Everything that got a 2xx is there after `kill -9`, and the service starts again.
  @Test func losesNothingWhenKilled() async throws {
    let deployment = try await Deployment.make()
    let acknowledged = try await deployment.serve(isKilled: true) { service in
      let acknowledged = Acknowledged()
      await withTaskGroup(of: Void.self) { group in
        for client in 0..<8 {
          group.addTask {
            for number in 0..<1_000 {
              let user = "u-\(client)-\(number)"
              let webhook = SignedWebhook(SignedWebhook.success(userID: user), secret: Deployment.secret)
              guard let answer = try? await service.deliver(webhook) else { return }
              if answer.status == 200, await acknowledged.add(user) >= 100 { kill(service.processID, SIGKILL) }
            }
          }
        }
      }
      return await acknowledged.users
    }
    #expect(acknowledged.count >= 100)
    let stored = Set(try await deployment.items(["event", "list"]).compactMap { $0["user_id"] as? String })
    #expect(acknowledged.subtracting(stored).isEmpty)
    try await deployment.serve { service in
      let answer = try await service.send("GET", "/readyz")
      #expect(answer.status == 200, "\(answer.body)")
    }
  }

  /// 20 MB of health data pass through, are verified, and leave nothing but the minute when they came.
  @Test func takesALargeDataWebhookInFlatMemory() async throws {
    let deployment = try await Deployment.make()
    try await deployment.serve { service in
      let sample = #"{"timestamp":"2026-11-21T00:00:00.000000+00:00","bpm":61,"note":"not-to-be-stored"},"#
      var body = Array(#"{"type":"body","user":{"user_id":"u1","provider":"GARMIN"},"data":["#.utf8)
      while body.count < 20_000_000 { body += Array(sample.utf8) }
      body.removeLast()
      body += Array("]}".utf8)
      // One of each kind before measuring: code and pools are warm then.
      let small = SignedWebhook(SignedWebhook.success(userID: "u1"), secret: Deployment.secret)
      #expect(try await service.deliver(small).status == 200)
      let before = try Self.peakMemory(of: service.processID)
      let webhook = SignedWebhook(body, secret: Deployment.secret)
      let answer = try await service.send(
        "POST", "/webhooks/terra/acme", headers: [("X-Terra-Signature", webhook.signature)],
        body: .stream(
          Chunks(bytes: body, size: 64 << 10), length: .known(Int64(body.count))))
      #expect(answer.status == 200, "\(answer.body)")
      #expect(answer.member("disposition") == "data")
      let growth = try Self.peakMemory(of: service.processID) - before
      #expect(growth < 32 << 10, "the peak of resident memory grew by \(growth) KiB")

      var forged = webhook
      forged.secret = "wrong"
      let refused = try await service.send(
        "POST", "/webhooks/terra/acme", headers: [("X-Terra-Signature", forged.signature)],
        body: .stream(Chunks(bytes: body, size: 64 << 10), length: .known(Int64(body.count))))
      #expect(refused.status == 401)
      // Beyond 32 MiB nothing is read on.
      let tooLarge = try await service.answerWhileSending(
        "POST", "/webhooks/terra/acme", headers: [("X-Terra-Signature", webhook.signature)], body: body + body)
      #expect(tooLarge.hasPrefix("HTTP/1.1 413 "), "\(tooLarge.prefix(300))")
    }
    let connections = try await deployment.items(["connection", "list"])
    #expect(connections.first?["last_data_at"] is String)
    #expect(try await deployment.items(["event", "list"]).count == 1)
    let receipts = try await deployment.items(["event", "receipts"])
    #expect(receipts.allSatisfy { $0["disposition"] as? String == "rejected" })
    #expect(
      try await deployment.count("registry.webhook_receipt WHERE octet_length(body) > 16384") == 0,
      "more than the beginning of a refused body is stored")
  }

  /// Without its database the service says so, loses nothing that it acknowledged, and comes back by itself.
  @Test func saysWhenTheDatabaseIsAway() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    try await deployment.serve { service in
      let cluster = try await TestDatabaseSwitch.close(deployment.database)
      let webhook = SignedWebhook(SignedWebhook.success(userID: "u1"), secret: Deployment.secret)
      let answer = try await service.deliver(webhook)
      #expect(answer.status == 503, "\(answer.body)")
      #expect(answer.headers["retry-after"] != nil)
      #expect(try await service.send("GET", "/readyz").status == 503)
      #expect(try await service.send("GET", "/healthz").status == 200)
      #expect(try await service.api("GET", "/v1/connections", key: key).code == "database_unavailable")
      let page = try await service.send("GET", "/callbacks/terra/acme/token/success")
      #expect(page.status == 503)
      #expect(page.headers["content-type"] == "text/html; charset=utf-8")
      try await cluster.open()
      let after = try await service.deliver(webhook)
      #expect(after.status == 200, "\(after.body)")
      #expect(try await service.send("GET", "/readyz").status == 200)
    }
  }

  /// The peak of a process's resident memory, in KiB.
  private static func peakMemory(of processID: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ")[1].trimmingCharacters(in: .whitespaces)))
  }
}

extension ServiceProcess {
  /// Sends a body and listens at the same time. The HTTP client at hand may lose an answer that comes while it still sends.
  ///
  /// - Returns: what the service said until it ended the connection.
  fileprivate func answerWhileSending(
    _ method: String, _ path: String, headers: [(String, String)], body: [UInt8]
  ) async throws -> String {
    let lines =
      (["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1", "Content-Length: \(body.count)"]
      + headers.map { "\($0.0): \($0.1)" } + ["", ""]).joined(separator: "\r\n")
    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      async let isSent: Void = {
        // Refused in the middle, as it should be.
        try? await outbound.write(ByteBuffer(string: lines))
        try? await outbound.write(contentsOf: Chunks(bytes: body, size: 64 << 10))
      }()
      var answer = ByteBuffer()
      for try await part in inbound { answer.writeImmutableBuffer(part) }
      await isSent
      return String(buffer: answer)
    }
  }
}

/// What got a 2xx.
private actor Acknowledged {
  var users: Set<String> = []

  func add(_ user: String) -> Int {
    users.insert(user)
    return users.count
  }
}

/// A body in pieces.
private struct Chunks: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  let bytes: [UInt8]
  let size: Int

  struct AsyncIterator: AsyncIteratorProtocol {
    var rest: ArraySlice<UInt8>
    let size: Int

    mutating func next() async -> ByteBuffer? {
      guard !rest.isEmpty else { return nil }
      defer { rest = rest.dropFirst(size) }
      return ByteBuffer(bytes: rest.prefix(size))
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: bytes[...], size: size) }
}

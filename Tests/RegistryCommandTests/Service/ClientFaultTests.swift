import Foundation
import NIOCore
import NIOPosix
import Testing

/// Clients that do not finish what they began, against the running service.
@Suite(.timeLimit(.minutes(20))) struct ClientFaultTests {
  /// Sends the beginning of a request.
  private static func begin(_ line: String, key: String, to service: ServiceProcess) async throws -> any Channel {
    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: service.port).get()
    let head = [
      "\(line) HTTP/1.1", "Host: x", "Authorization: Bearer \(key)", "x-api-key: \(key)", "dev-id: acme-dev-id",
      "Content-Type: application/json", "Content-Length: 1000",
    ]
    try await channel.writeAndFlush(ByteBuffer(string: head.joined(separator: "\r\n") + "\r\n\r\n{"))
    return channel
  }

  @Test(arguments: ["POST /webhooks/terra/acme", "POST /terra/v2/auth/generateWidgetSession", "POST /v1/sessions"])
  func aClientThatHangsUpInTheMiddleOfABodyIsNoError(_ line: String) async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    let log = try await deployment.serve(environment: ["REGISTRY_LOG_LEVEL": "debug"]) { service in
      // Both with FIN and with RST.
      for resets in [false, true] {
        let channel = try await Self.begin(line, key: key, to: service)
        if resets {
          let options = try #require(channel as? any SocketOptionProvider)
          try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try await channel.close()
      }
      while service.log().components(separatedBy: "Request answered").count < 3 { await Task.yield() }
      #expect(try await service.send("GET", "/healthz").status == 200)
      return service.log()
    }
    #expect(!log.contains(" error ") && !log.contains("status=500"), "\(log)")
    #expect(log.contains("status=400"), "\(log)")
  }

  @Test func aClientThatTricklesDoesNotKeepTheServiceFromEnding() async throws {
    let deployment = try await Deployment.make()
    let key = try await deployment.key()
    let began = try await deployment.serve(environment: ["REGISTRY_SHUTDOWN_TIME_LIMIT": "500ms"]) { service in
      let channel = try await Self.begin("POST /webhooks/terra/acme", key: key, to: service)
      let task = channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(50)) { _ in
        channel.writeAndFlush(ByteBuffer(string: " "), promise: nil)
      }
      channel.closeFuture.whenComplete { _ in task.cancel() }
      #expect(try await service.send("GET", "/healthz").status == 200)
      return ContinuousClock.now
    }
    // Before the body's own time is over, which would end it as well.
    #expect(ContinuousClock.now - began < .seconds(10))
  }
}

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// `registry serve` as a child process on loopback, which can be killed and started again at the same address.
actor DemoService {
  /// The base of its URLs.
  nonisolated let url: String
  /// Its port.
  nonisolated let port: Int
  private let commands: DemoCommandLine
  private let watchdog: DemoWatchdog
  private let client: HTTPClient
  private var process: ChildProcess?

  /// Prepares the service; nothing runs yet.
  ///
  /// - Parameters:
  ///   - commands: how this executable is run.
  ///   - watchdog: ends the service when the demo ends without doing so.
  ///   - client: asks whether it is ready.
  /// - Throws: ``DemoError`` when no port is free.
  init(commands: DemoCommandLine, watchdog: DemoWatchdog, client: HTTPClient) throws {
    self.port = try Self.freePort()
    self.url = "http://127.0.0.1:\(self.port)"
    self.commands = commands
    self.watchdog = watchdog
    self.client = client
  }

  /// The process's id, while it runs.
  var processID: Int32? { self.process?.processID }

  /// Starts the service and waits until it is ready.
  ///
  /// - Throws: ``DemoError`` with the end of its log when it ends or is not ready in time.
  func start() async throws {
    let log = self.commands.directory.serviceLog
    let settings = [
      "REGISTRY_HTTP_HOST": "127.0.0.1", "REGISTRY_HTTP_PORT": String(self.port), "REGISTRY_PUBLIC_URL": self.url,
    ]
    let process = try ChildProcess(
      self.commands.executable, ["serve"],
      environment: self.commands.environment.merging(settings) { _, new in new },
      output: try DemoDirectory.open(log, appends: true))
    self.process = process
    self.watchdog.watch(process: process.processID)
    let deadline = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < deadline, process.isRunning {
      if await self.isReady() { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    let lines = ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").suffix(5)
    throw DemoError("`registry serve` did not become ready. The end of its log:\n" + lines.joined(separator: "\n"))
  }

  /// Ends the service at once, as a crash would.
  func killHard() async {
    self.process?.send(SIGKILL)
    _ = await self.process?.waitForEnd()
    self.process = nil
  }

  /// Ends the service in order; in the end by force.
  func stop() async {
    guard let process = self.process else { return }
    self.process = nil
    process.send(SIGTERM)
    // Not a child of this task: the end has to be waited for also where the demo was interrupted.
    let force = Task.detached {
      try await Task.sleep(for: .seconds(10))
      process.send(SIGKILL)
    }
    _ = await process.waitForEnd()
    force.cancel()
  }

  private func isReady() async -> Bool {
    let request = HTTPClientRequest(url: self.url + "/readyz")
    let response = try? await self.client.execute(request, timeout: .seconds(2))
    return response?.status == .ok
  }

  /// A port that nobody listens on at this moment.
  private static func freePort() throws -> Int {
    #if canImport(Glibc) || canImport(Musl)
      let stream = Int32(SOCK_STREAM.rawValue)
    #else
      let stream = SOCK_STREAM
    #endif
    let socket = socket(AF_INET, stream, 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
      }
    }
    guard socket >= 0, isBound else { throw DemoError("No port is free on 127.0.0.1.") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}

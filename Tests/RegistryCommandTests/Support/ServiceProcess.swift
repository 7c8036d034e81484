import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Subprocess
import SystemPackage
import TestDatabase
import Testing

/// `registry serve` as a process of its own, on a free port.
struct ServiceProcess: Sendable {
  /// An answer with its body.
  struct Answer: Sendable {
    var status: Int
    var headers: [String: String]
    var body: String

    /// The stable code of a problem document.
    var code: String? { member("code") }

    /// A member of a JSON body, as text.
    func member(_ name: String) -> String? {
      guard let object = try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] else { return nil }
      return object[name] as? String
    }
  }

  let port: Int
  let processID: Int32
  /// Where the process writes its log.
  let logPath: String

  var url: String { "http://127.0.0.1:\(port)" }

  /// What the process has logged so far.
  func log() -> String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

  /// Runs the service for as long as a closure runs, and expects it to end well.
  ///
  /// - Parameters:
  ///   - database: Its database; nil gives none.
  ///   - environment: More variables.
  ///   - arguments: More arguments.
  ///   - isKilled: Whether the closure ends the process with `SIGKILL`.
  ///   - body: Uses the service.
  /// - Returns: What the closure returns.
  /// - Throws: What the closure throws, and why the service did not start.
  static func with<Value: Sendable>(
    database: String? = TestDatabase.current, environment: [String: String] = [:], arguments: [String] = [],
    isKilled: Bool = false, _ body: (ServiceProcess) async throws -> Value
  ) async throws -> Value {
    let logPath = "/tmp/registry-serve-\(UUID().uuidString.lowercased()).log"
    let log = try FileDescriptor.open(
      logPath, .writeOnly, options: [.create, .append], permissions: .ownerReadWrite)
    defer { try? FileManager.default.removeItem(atPath: logPath) }
    let record = try await Subprocess.run(
      .path(FilePath(CommandLineTool.path)),
      arguments: Arguments(["serve", "--port", "0", "--format", "json"] + arguments),
      environment: CommandLineTool.environment(database: database, environment), input: .none, output: .sequence,
      error: .fileDescriptor(log, closeAfterSpawningProcess: true)
    ) { execution in
      let processID = execution.processIdentifier.value
      var lines = execution.standardOutput.strings().makeAsyncIterator()
      guard let line = try await lines.next(),
        let started = try? JSONDecoder().decode(Started.self, from: Data(line.utf8))
      else {
        let log = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
        throw StartFailure(description: "the service did not start: \(log)")
      }
      let service = ServiceProcess(port: started.port, processID: processID, logPath: logPath)
      let value: Value
      do {
        value = try await body(service)
      } catch {
        kill(processID, SIGKILL)
        throw error
      }
      if !isKilled { kill(processID, SIGTERM) }
      while try await lines.next() != nil {}
      return value
    }
    #expect(record.terminationStatus == (isKilled ? .signaled(SIGKILL) : .exited(0)))
    return record.closureResult
  }

  /// Sends a request.
  ///
  /// - Parameters:
  ///   - method: The method.
  ///   - path: Path and query, as they go over the wire.
  ///   - headers: All headers, repeated ones too.
  ///   - body: The body.
  /// - Returns: The answer.
  /// - Throws: What keeps the request from being answered.
  func send(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
  ) async throws -> Answer {
    try await send(method, path, headers: headers, body: body.map { .bytes($0) })
  }

  /// Sends a request whose body may stream.
  func send(
    _ method: String, _ path: String, headers: [(String, String)], body: HTTPClientRequest.Body?
  ) async throws -> Answer {
    var request = HTTPClientRequest(url: url + path)
    request.method = .init(rawValue: method)
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    request.body = body
    let response = try await HTTPClient.withoutRedirects.execute(request, timeout: .minutes(5))
    let bytes = try await response.body.collect(upTo: 4 << 20)
    return Answer(
      status: Int(response.status.code),
      headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first },
      body: String(buffer: bytes))
  }

  /// A request to the API.
  func api(_ method: String, _ path: String, key: String, json: String? = nil) async throws -> Answer {
    var headers = [("Authorization", "Bearer \(key)")]
    if json != nil { headers.append(("Content-Type", "application/json")) }
    return try await send(method, path, headers: headers, body: json.map { Array($0.utf8) })
  }

  private struct Started: Decodable { var port: Int }

  private struct StartFailure: Error, CustomStringConvertible { let description: String }
}

extension HTTPClient {
  /// Shows redirects, and does not follow them.
  static let withoutRedirects: HTTPClient = {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    // A service that has been killed must not leave a connection for the next one.
    configuration.connectionPool.idleTimeout = .seconds(1)
    // On a busy machine a connection may take its time.
    configuration.timeout.connect = .minutes(5)
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()
}

import Foundation
import NIOCore
import NIOPosix
import Subprocess
import SystemPackage
import TestDatabase
import Testing

/// A program of `Examples/` as a process of its own.
enum ExampleProcess {
  /// Its output, line by line.
  typealias Lines = AsyncStream<String>.AsyncIterator

  /// Runs a program for as long as a closure runs, and expects it to end well.
  ///
  /// - Parameters:
  ///   - name: The program's target.
  ///   - directory: Where it was built; nil is beside the tests.
  ///   - arguments: Its arguments.
  ///   - database: Its database; nil gives none.
  ///   - environment: More variables.
  ///   - ends: Whether it ends by itself; else it is told to with SIGTERM after the closure.
  ///   - body: Reads its lines.
  /// - Returns: What the closure returns.
  /// - Throws: What the closure throws.
  static func with<Value: Sendable>(
    _ name: String, in directory: URL? = nil, _ arguments: [String] = [], database: String?,
    environment: [String: String], ends: Bool = false, _ body: (inout Lines) async throws -> Value
  ) async throws -> Value {
    let path = (directory ?? URL(filePath: CommandLineTool.path).deletingLastPathComponent()).appending(path: name).path
    let record = try await Subprocess.run(
      .path(FilePath(path)), arguments: Arguments(arguments),
      environment: CommandLineTool.environment(database: database, environment), input: .none, output: .sequence,
      error: .discarded
    ) { execution in
      let processID = execution.processIdentifier.value
      let (lines, input) = AsyncStream.makeStream(of: String.self)
      return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          defer { input.finish() }
          for try await line in execution.standardOutput.strings() {
            input.yield(line.trimmingCharacters(in: .newlines))
          }
        }
        var iterator = lines.makeAsyncIterator()
        do {
          let value = try await body(&iterator)
          if !ends { kill(processID, SIGTERM) }
          while await iterator.next() != nil {}
          return value
        } catch {
          kill(processID, SIGKILL)
          throw error
        }
      }
    }
    #expect(record.terminationStatus == .exited(0))
    return record.closureResult
  }

  /// A port that nobody listens on.
  static func freePort() async throws -> Int {
    let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = channel.localAddress?.port
    try await channel.close()
    return try #require(port)
  }
}

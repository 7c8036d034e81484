import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Subprocess
import SystemPackage
import TestDatabase
import Testing

/// A package outside of this one that depends on the products: what a team can import, link and run.
@Suite("A package of one's own", .timeLimit(.minutes(60)))
struct OwnPackageTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")
    .standardizedFileURL
  /// A folder of its own: that of the tests belongs to another root package.
  private static let scratch = root.appending(path: ".build-own").path

  /// It builds everything that the products need once more, which takes some minutes.
  @Test(
    "builds against each product and runs",
    .enabled(if: ProcessInfo.processInfo.environment["REGISTRY_TEST_ALL"] == "1"))
  func ownPackage() async throws {
    try await Self.swift(["build", "--build-tests"])
    try await Self.swift(
      ["test", "--skip-build"], environment: ["APP_DATABASE_URL": try await TestDatabase.shared.emptyDatabase()])
    let binaries = URL(filePath: Self.scratch).appending(path: "debug")
    try await ExampleProcess.with(
      "Embedding", in: binaries, database: nil,
      environment: ["APP_DATABASE_URL": try await TestDatabase.shared.emptyDatabase()], ends: true
    ) { lines in
      #expect(await lines.next() == "person-1 of acme has 0 connections")
    }
    let port = try await ExampleProcess.freePort()
    try await ExampleProcess.with(
      "Serving", in: binaries, database: nil,
      environment: [
        "APP_DATABASE_URL": try await TestDatabase.shared.emptyDatabase(), "APP_PORT": "\(port)",
      ]
    ) { lines in
      #expect(await lines.next() == "Listening")
      for (path, status) in [("readyz", HTTPResponseStatus.ok), ("hello", .ok), ("v1/sessions", .notFound)] {
        let request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/\(path)")
        let answer = try await HTTPClient.withoutRedirects.execute(request, timeout: .minutes(5))
        #expect(answer.status == status, "\(path)")
      }
    }
  }

  /// Runs Swift's package manager in the package.
  private static func swift(_ command: [String], environment: [String: String] = [:]) async throws {
    let package = root.appending(path: "Examples/OwnPackage").path
    let more = environment.map { (Environment.Key(stringLiteral: $0.key), Optional($0.value)) }
    let places = ["--package-path", package, "--scratch-path", scratch]
    let record = try await Subprocess.run(
      .name("swift"), arguments: Arguments(command.prefix(1) + places + command.dropFirst()),
      environment: .inherit.updating(Dictionary(uniqueKeysWithValues: more)), input: .none,
      output: .string(limit: 16 << 20), error: .string(limit: 16 << 20))
    // What went wrong stands at the end.
    try #require(
      record.terminationStatus == .exited(0),
      "swift \(command[0]): \(record.standardOutput.suffix(4_000))\(record.standardError.suffix(4_000))")
  }
}

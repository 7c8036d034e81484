import Foundation
import Testing

@testable import EmbeddedPostgres

@Suite("Programs of PostgreSQL's")
struct ServerToolTests {
  private let tool = ServerTool(inheriting: ProcessInfo.processInfo.environment)
  /// More than a pipe holds.
  private let text = String(repeating: "line\n", count: 1 << 18)

  @Test("A program that ends before it has read what it is given ends nothing else")
  func needsNotRead() async throws {
    let outcome = try await tool.run("/bin/sh", ["-c", "exit 3"], input: text)
    #expect(!outcome.succeeded)
    #expect(outcome.output.isEmpty)
  }

  @Test("A program finds what it is given, and then the end")
  func reads() async throws {
    #expect(try await tool.run("/usr/bin/wc", ["-c"], input: text).output == String(text.utf8.count))
    #expect(try await tool.run("/usr/bin/wc", ["-c"]).output == "0")
  }
}

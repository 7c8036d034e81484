import Foundation
import Testing

/// A change without deliveries would be a gap that nobody sees, so there is one place that writes changes.
@Suite struct TransitionGuardTests {
  @Test func changesAreWrittenTogetherWithTheirDeliveriesOnly() throws {
    let sources = URL(filePath: #filePath).appending(path: "../../../../Sources").standardized
    let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    var users: [String] = []
    for case let file as URL in files where file.pathExtension == "swift" {
      if try String(contentsOf: file, encoding: .utf8).contains("connectionChangeAppend(") {
        users.append(file.lastPathComponent)
      }
    }
    #expect(users == ["ConnectionTransition.swift"])
  }
}

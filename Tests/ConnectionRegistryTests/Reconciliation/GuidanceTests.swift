@testable import ConnectionRegistry
import Foundation
import RegistryModel
import RegistrySQL
import Testing

/// The document that findings point to says what the findings say.
@Suite struct GuidanceTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The sections of the document by their anchors.
  private static func sections() throws -> [String: String] {
    let text = try String(contentsOf: root.appending(path: "docs/findings.md"), encoding: .utf8)
    var sections: [String: String] = [:]
    for part in text.components(separatedBy: "\n## ").dropFirst() {
      let anchor = String(part.prefix { $0 != "\n" })
      #expect(sections[anchor] == nil, "\(anchor) stands twice")
      sections[anchor] = part
    }
    return sections
  }

  @Test func everyKindHasASectionAndNothingElseHas() throws {
    #expect(try Set(Self.sections().keys) == Set(FindingKind.allCases.map(\.rawValue)))
  }

  @Test(arguments: FindingKind.allCases) func aSectionSaysWhatAFindingOfItsKindSays(kind: FindingKind) throws {
    let pointer = kind.documentation.split(separator: "#")
    #expect(pointer.first == "docs/findings.md")
    let section = try #require(try Self.sections()[String(pointer.last ?? "")])
    let lines = section.split(separator: "\n")
    let codes = kind.reasonCodes.map { "`\($0)`" }.joined(separator: ", ")
    #expect(lines.dropFirst().first == "\(kind.severity.rawValue) · \(codes)"[...])
    for code in kind.reasonCodes {
      #expect(section.contains(kind.suggestion(reasonCode: code)), "\(code)")
    }
    #expect(section.contains("**It means:**") && section.contains("**It comes about:**"))
  }

  /// The codes that the statements give are those that are described.
  @Test(arguments: FindingKind.allCases) func theReasonCodesAreThoseOfTheStatements(kind: FindingKind) {
    guard kind != .quarantinedEvent else { return }
    let text = RegistryStatements.all.map(\.text).joined(separator: "\n")
    for code in kind.reasonCodes { #expect(text.contains("'\(code)'"), "\(code)") }
  }

  @Test(arguments: FindingKind.allCases) func whatIsSaidIsASentence(kind: FindingKind) {
    for code in kind.reasonCodes {
      for sentence in [kind.summary(reasonCode: code), kind.suggestion(reasonCode: code)] {
        #expect(sentence.hasSuffix(".") && sentence.count > 20, "\(sentence)")
      }
    }
  }
}

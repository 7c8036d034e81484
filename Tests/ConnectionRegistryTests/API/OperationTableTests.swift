@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import HTTPTypes
import Logging
import Testing

/// What must hold for every declaration, and for the document that is made of them.
@Suite struct OperationTableTests {
  private static func operations() throws -> [APIOperation] {
    let configuration = ConnectionRegistry.Configuration(
      databaseURL: "", publicURL: "http://127.0.0.1", masterKeys: try MasterKeyRing(MasterKeyRing.newKey()))
    return APIOperations(registry: ConnectionRegistry(configuration: configuration, logger: Logger(label: "test"))).all
  }

  @Test func everyDeclarationIsWhole() throws {
    let operations = try Self.operations()
    #expect(Set(operations.map(\.id)).count == operations.count)
    #expect(Set(operations.map { "\($0.method) \($0.path)" }).count == operations.count)
    for operation in operations {
      let inTemplate = operation.path.matches(of: /{(\w+)}/).map { String($0.1) }
      let declared = operation.parameters.filter { $0.place == .path }.map(\.name)
      #expect(inTemplate.sorted() == declared.sorted(), "\(operation.id)")
      #expect(operation.path.hasPrefix("/v1/"))
      #expect(operation.summary.last != "." && operation.description.last == ".", "\(operation.id)")
      let names = operation.allParameters.map { "\($0.place) \($0.name)" }
      #expect(Set(names).count == names.count, "\(operation.id)")
      for link in operation.answer.links {
        let target = try #require(operations.first { $0.id == link.operation }, "\(operation.id): \(link.operation)")
        for name in link.parameters.keys {
          #expect(target.parameters.contains { $0.name == name }, "\(operation.id): \(name)")
        }
      }
    }
  }

  @Test func everyPostHonoursAnIdempotencyKey() throws {
    let posts = try Self.operations().filter { $0.method == .post }
    #expect(posts.count > 10)
    for operation in posts {
      #expect(operation.idempotency != .none, "\(operation.id)")
      #expect(operation.allParameters.contains { $0.name == "Idempotency-Key" }, "\(operation.id)")
    }
  }

  @Test func everyCodeIsInTheListAndInTheDocumentation() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardizedFileURL
    let documented = try String(contentsOf: root.appending(path: "docs/api.md"), encoding: .utf8)
      .matches(of: /(?m)^\| `(\w+)` \| (\d+) \| (.*) \|$/).map { "\($0.1) \($0.2) \($0.3)" }
    #expect(documented == ProblemCode.all.map { "\($0.code) \($0.status) \($0.meaning)" })
    // The registry's own codes are written in its source once.
    let source = try String(
      contentsOf: root.appending(path: "Sources/ConnectionRegistry/Errors/RegistryError.swift"), encoding: .utf8)
    let codes = source.matches(of: /Code\(description: "(\w+)", httpStatus: (\d+)\)/).map { "\($0.1) \($0.2)" }
    #expect(codes.count > 10)
    #expect(Set(codes).subtracting(ProblemCode.all.map { "\($0.code) \($0.status)" }).isEmpty)
    for operation in try Self.operations() {
      #expect(Set(operation.allProblems).isSubset(of: ProblemCode.all), "\(operation.id)")
    }
  }

  @Test func everyReferenceOfTheDocumentLeadsSomewhere() throws {
    let document = OpenAPIDocument(operations: try Self.operations()).document
    let json = String(decoding: try JSONEncoder().encode(document), as: UTF8.self).replacing("\\/", with: "/")
    guard case .object(let members) = document, case .object(let components)? = members["components"],
      case .object(let schemas)? = components["schemas"]
    else {
      Issue.record("the document has no schemas")
      return
    }
    let references = Set(json.matches(of: /"#\/components\/schemas\/(\w+)"/).map { String($0.1) })
    #expect(references == Set(schemas.keys))
    #expect(json.contains(#""openapi":"3.1.0""#))
  }

  @Test func thePageNamesEveryOperationAndLoadsNothing() throws {
    let operations = try Self.operations()
    let html = DocumentationPage(operations: operations).html
    for operation in operations { #expect(html.contains(#"id="\#(operation.id)""#)) }
    for code in ProblemCode.all { #expect(html.contains(#"id="problem-\#(code.code)""#)) }
    for forbidden in ["<script", "<img", "<link", "http://", "https://", "url("] {
      #expect(!html.contains(forbidden), "\(forbidden)")
    }
  }
}

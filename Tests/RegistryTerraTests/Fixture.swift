import Foundation
import RegistryTerra
import Testing

/// Terra's own payload examples, byte for byte, with signatures that Terra's own code made.
struct Fixture: Sendable, CustomTestStringConvertible {
  let name: String
  let body: [UInt8]
  let header: String

  var testDescription: String { name }

  private struct Signatures: Decodable {
    struct Vector: Decodable {
      let file: String
      let header: String
    }
    let signing_secret: String
    let t: Int64
    let vectors: [String: Vector]
  }

  private static func folder() throws -> URL {
    guard let folder = Bundle.module.url(forResource: "Fixtures", withExtension: nil) else { throw Missing() }
    return folder
  }

  private static func signatures() throws -> Signatures {
    try JSONDecoder().decode(
      Signatures.self, from: Data(contentsOf: folder().appendingPathComponent("signatures.json")))
  }

  struct Missing: Error {}

  static func all() throws -> [Fixture] {
    try signatures().vectors.sorted { $0.key < $1.key }.map { name, vector in
      Fixture(
        name: name, body: [UInt8](try Data(contentsOf: folder().appendingPathComponent(vector.file))),
        header: vector.header)
    }
  }

  static func named(_ name: String) throws -> Fixture {
    guard let fixture = try all().first(where: { $0.name == name }) else { throw Missing() }
    return fixture
  }

  static func secret() throws -> [UInt8] { Array(try signatures().signing_secret.utf8) }
  static func timestamp() throws -> Int64 { try signatures().t }
}

@testable import ConnectionRegistry
@testable import ConnectionRegistryHummingbird
import Foundation
import TestDatabase
import Testing

/// Which members of a new session go together: what the document says, and what the registry does.
@Suite(.migratedDatabase) struct NewSessionTests {
  /// The values that each member is tried with.
  private static let values: [(String, [JSONNode?])] = [
    ("kind", [nil, .null, "direct", "widget", "mobile"]), ("reference_id", [nil, "someone"]),
    ("resource", [nil, .null, "FITBIT"]),
    ("success", [nil, .text(Stage.returnURL)]), ("failure", [nil, .text(Stage.failureURL)]),
    ("language", [nil, "en"]), ("providers", [nil, .list([]), .list(["GARMIN"])]),
    ("multi_auth", [nil, false, true]), ("replaces", [nil, .null, "u1"]),
  ]

  private static func bodies() -> [[String: JSONNode]] {
    values.reduce([[:]]) { bodies, member in
      bodies.flatMap { body in member.1.map { value in body.merging(value.map { [member.0: $0] } ?? [:]) { $1 } } }
    }
  }

  private static func fits(_ body: [String: JSONNode]) -> Bool {
    do {
      try SessionSchemas.new.check(.object(body))
      return true
    } catch {
      return false
    }
  }

  private static func connection(_ resource: String?) -> Connection {
    Connection(
      userID: "u1", resource: resource, status: .degraded, createdAt: .now, recordedAt: .now, needsReauth: true)
  }

  /// What the document allows is begun for some connection to replace, and what is begun for any is allowed.
  @Test func theDocumentAllowsWhatIsBegunAndNothingElse() async throws {
    try await withStage { stage in
      let tenant = try await stage.registry.tenants.show("acme")
      var allowed = 0
      for body in Self.bodies() {
        let data = try JSONEncoder().encode(JSONNode.object(body))
        let new = try JSONBody.decode(NewSessionBody.self, from: data).session
        // One for a browser, one for a phone, and one whose resource is not known.
        let replaced = new.replaces == nil ? [nil] : ["FITBIT", "APPLE", nil].map(Self.connection)
        let isBegun = replaced.contains { replaced in
          ["FITBIT", "APPLE"].contains { name in
            var new = new
            if new.resource != nil { new.resource = name }
            return (try? AuthSessionOpening(new, idempotencyKey: nil, replaced: replaced, tenant: tenant)) != nil
          }
        }
        #expect(Self.fits(body) == isBegun, "\(String(decoding: data, as: UTF8.self))")
        allowed += isBegun ? 1 : 0
      }
      #expect(allowed > 100)
    }
  }

  /// Whatever fits is one variant, as `oneOf` wants it.
  @Test func noBodyIsTwoVariants() throws {
    guard case .named(_, let schema) = SessionSchemas.new.form, case .variants(let object, let variants) = schema.form,
      case .object(let members) = object.form
    else {
      Issue.record("no variants")
      return
    }
    let narrowed = variants.map { APISchema.object($0.narrowed(members)) }
    for body in Self.bodies() {
      let fitting = narrowed.filter { (try? $0.check(.object(body))) != nil }.count
      #expect(fitting == (Self.fits(body) ? 1 : 0), "\(body)")
    }
  }

  @Test(arguments: [
    (#"{"kind":"direct","success":"s","failure":"f"}"#, "resource", "The field is required in a direct session."),
    (#"{"resource":"FITBIT","success":"s"}"#, "failure", "The field is required in a direct session."),
    (#"{"kind":"mobile","success":"s","failure":"f"}"#, "failure", "Leave the field out in a mobile session."),
    (
      #"{"kind":"widget","resource":"FITBIT","success":"s","failure":"f"}"#, "resource",
      "Leave the field out in a widget session."
    ),
    (
      #"{"resource":"FITBIT","success":"s","failure":"f","multi_auth":true}"#, "multi_auth",
      "In a direct session: The value must be false."
    ),
    (
      #"{"replaces":"u1","success":"s"}"#, "failure",
      "The field is required in a session that replaces a connection."
    ),
    (#"{"providers":["A,B"],"success":"s","failure":"f"}"#, "providers.0", "The value must not hold a comma."),
  ])
  func theNearestWaySaysWhatIsWrong(_ json: String, _ field: String, _ sentence: String) throws {
    let value = try JSONDecoder().decode(JSONNode.self, from: Data(json.utf8))
    let fault = #expect(throws: APISchema.Fault.self) { try SessionSchemas.new.check(value) }
    #expect(fault == APISchema.Fault(path: field, sentence: sentence))
  }
}

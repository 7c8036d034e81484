import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// One call of Terra's API: the environment that the headers name, the query and the body.
struct TerraCall: Sendable {
  /// The families of paths, which differ in errors and defaults.
  enum Family: Sendable {
    /// `/v2`.
    case legacy
    /// `/api/v2`.
    case access
    /// `/api/widget/session` and its other spellings.
    case widget

    var style: TerraProblem.Style { self == .access ? .problem : .legacy }
  }

  let environment: SandboxEnvironment
  let family: Family
  let query: [(name: String, value: String)]
  let body: Data

  /// The largest body of a call, in bytes.
  static let largestBody = 1_048_576

  /// Reads a call and checks its credentials.
  ///
  /// - Throws: ``TerraProblem`` when the credentials are missing or wrong, or the body is too large.
  init(_ request: Request, family: Family, world: SandboxWorld) async throws {
    let devID = Self.header("dev-id", in: request)
    let apiKey = Self.header("x-api-key", in: request)
    let refusal: HTTPResponse.Status = family == .widget ? .forbidden : .unauthorized
    guard let devID, let apiKey else {
      throw TerraProblem(
        status: refusal, message: "dev-id or x-api-key headers are missing", style: family.style)
    }
    guard let environment = await world.environment(devID: devID), environment.apiKey == apiKey else {
      throw TerraProblem(status: refusal, message: "Invalid dev-id or x-api-key was provided", style: family.style)
    }
    self.environment = environment
    self.family = family
    self.query = FormCoding.pairs(request.uri.query ?? "")
    do {
      self.body = Data(try await request.body.collect(upTo: Self.largestBody).readableBytesView)
    } catch is NIOTooManyBytesError {
      throw TerraProblem(status: .contentTooLarge, message: "The body is too large", style: family.style)
    }
    let received = ReceivedCall(
      method: request.method.rawValue, path: request.uri.path, query: request.uri.query ?? "",
      headers: Dictionary(request.headers.map { ($0.name.canonicalName, $0.value) }) { "\($0), \($1)" },
      body: String(decoding: self.body, as: UTF8.self))
    if let answer = await world.note(received, tenant: environment.slug) {
      if answer.delaySeconds > 0 { try await Task.sleep(for: .seconds(answer.delaySeconds)) }
      throw ScriptedReply(answer: answer)
    }
  }

  /// The slug of the environment whose connections are shown.
  var shownEnvironment: String { self.environment.answersAs ?? self.environment.slug }

  /// The value of a query parameter; nil where it is absent.
  func parameter(_ name: String) -> String? {
    self.query.first { $0.name == name }?.value
  }

  /// The body as JSON; an empty one reads as `{}`.
  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    do {
      return try JSONDecoder().decode(type, from: self.body.isEmpty ? Data("{}".utf8) : self.body)
    } catch {
      throw self.problem(.badRequest, "The request body is malformed")
    }
  }

  /// An error in the family's form.
  func problem(_ status: HTTPResponse.Status, _ message: String) -> TerraProblem {
    TerraProblem(status: status, message: message, style: self.family.style)
  }

  /// An error that says why the world refuses.
  func problem(_ refusal: SandboxRefusal) -> TerraProblem {
    switch refusal {
    case .unknownResource(let name):
      self.problem(self.family == .legacy ? .notFound : .badRequest, "Unknown resource \(name)")
    case .mobileOnly(let name):
      self.problem(.badRequest, "\(name) can only be connected through the mobile SDK")
    case .userLimitReached: self.problem(.forbidden, "User Limit Reached")
    case .unknownConnection: self.problem(.notFound, "User not found")
    case .unknownAttempt, .expired, .alreadyDecided, .unknownEnvironment, .unknownPhoneToken, .foreignPhoneToken:
      self.problem(.badRequest, "The request cannot be served")
    }
  }

  private static func header(_ name: String, in request: Request) -> String? {
    request.headers.first { $0.name.canonicalName == name }?.value
  }
}

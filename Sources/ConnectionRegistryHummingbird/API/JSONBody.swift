import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOFoundationCompat

/// A body whose members are all known.
protocol StrictBody: Decodable {
  associatedtype CodingKeys: CodingKey & CaseIterable
}

/// Bodies of requests to `/v1`, read strictly.
enum JSONBody {
  /// The largest body that is read, in bytes.
  static let maximumBytes = 64 * 1024

  /// Reads a body as one JSON object.
  ///
  /// A member that the route does not know is an error and not overlooked: with `reference-id` for `reference_id` a
  /// session would begin that belongs to nobody.
  ///
  /// - Parameters:
  ///   - type: What to read.
  ///   - request: The request.
  /// - Returns: The body.
  /// - Throws: ``Problem``: `content_too_large`, `unsupported_media_type`, `invalid_json`, or `invalid_request` with
  ///   the name of the field.
  static func decode<Body: StrictBody>(_ type: Body.Type, from request: Request) async throws -> Body {
    if let contentType = request.headers[.contentType] {
      let essence = contentType.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased()
      guard essence == "application/json" else {
        throw Problem(.unsupportedMediaType, "unsupported_media_type", "The body must be application/json.")
      }
    }
    let bytes: ByteBuffer
    do {
      bytes = try await request.body.collect(upTo: maximumBytes)
    } catch is NIOTooManyBytesError {
      throw Problem(.contentTooLarge, "content_too_large", "The body may have \(maximumBytes) bytes.")
    }
    let data = Data(buffer: bytes)
    let decoder = JSONDecoder()
    do {
      try reject(unknownIn: decoder.decode(MemberNames.self, from: data), of: type)
      return try decoder.decode(type, from: data)
    } catch let error as DecodingError {
      throw problem(error)
    }
  }

  private static func reject<Body: StrictBody>(unknownIn names: MemberNames, of type: Body.Type) throws {
    let known = Body.CodingKeys.allCases.map(\.stringValue)
    guard let unknown = names.names.first(where: { !known.contains($0) }) else { return }
    throw Problem(
      .badRequest, "invalid_request", "The body takes \(known.joined(separator: ", ")), and nothing else.",
      field: String(unknown.prefix(64)))
  }

  private static func problem(_ error: DecodingError) -> Problem {
    func field(_ path: [any CodingKey]) -> String? {
      path.isEmpty ? nil : path.map(\.stringValue).joined(separator: ".")
    }
    switch error {
    case .keyNotFound(let key, let context):
      return Problem(.badRequest, "invalid_request", "The field is required.", field: field(context.codingPath + [key]))
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      guard let field = field(context.codingPath) else {
        return Problem(.badRequest, "invalid_request", "The body must be a JSON object.")
      }
      return Problem(.badRequest, "invalid_request", "The field must be \(name(of: type)).", field: field)
    default:
      return Problem(.badRequest, "invalid_json", "The body is not JSON in UTF-8.")
    }
  }

  private static func name(of type: Any.Type) -> String {
    switch type {
    case is String.Type: "text"
    case is Bool.Type: "true or false"
    case is [String].Type, is [Any].Type: "a list of texts"
    default: "of another type"
    }
  }
}

/// The names of an object's members.
private struct MemberNames: Decodable {
  let names: [String]

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    names = try decoder.container(keyedBy: Name.self).allKeys.map(\.stringValue).sorted()
  }
}

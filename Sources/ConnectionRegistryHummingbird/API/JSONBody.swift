import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOFoundationCompat
import RegistryTerra

/// A body that is read into a value of its own; its schema names every member.
protocol StrictBody: Decodable, Sendable {}

/// Bodies of requests to `/v1`, read strictly.
enum JSONBody {
  /// The largest body that is read, in bytes.
  static let maximumBytes = 64 * 1024

  /// Reads a body and holds it against its schema.
  ///
  /// - Parameters:
  ///   - schema: What the body must be.
  ///   - request: The request.
  ///   - isOptional: Whether an empty body may stand for one without members.
  /// - Returns: The body, which fits the schema.
  /// - Throws: ``Problem``: `content_too_large`, `unsupported_media_type`, `invalid_json`, or `invalid_request` with
  ///   the name of the field.
  static func read(_ schema: APISchema, from request: Request, isOptional: Bool) async throws -> Data {
    let bytes = try await bytes(of: request, upTo: maximumBytes, type: "application/json", suffix: "+json")
    if isOptional, bytes.readableBytes == 0 { return Data("{}".utf8) }
    let data = Data(buffer: bytes)
    let value: JSONNode
    do {
      value = try JSONDecoder().decode(JSONNode.self, from: data)
    } catch {
      throw Problem(.invalidJSON, "The body is not JSON in UTF-8.")
    }
    let repeated: String?
    do {
      repeated = try JSONParser.repeatedName(in: data)
    } catch {
      throw Problem(.invalidJSON, "The body \(error.problem) (byte \(error.offset)).")
    }
    if let repeated { throw Problem(.invalidRequest, "A member may be given once.", field: repeated) }
    do {
      try schema.check(value)
    } catch {
      throw Problem(.invalidRequest, error.sentence, field: error.path.isEmpty ? nil : error.path)
    }
    return data
  }

  /// Reads a value out of a body that fits its schema.
  ///
  /// - Parameters:
  ///   - type: What to read.
  ///   - data: The body.
  /// - Returns: The value.
  /// - Throws: ``Problem`` `invalid_request` that names the field.
  static func decode<Body: StrictBody>(_ type: Body.Type, from data: Data) throws -> Body {
    do {
      return try RegistryJSON.decoder().decode(type, from: data)
    } catch let error as DecodingError {
      throw problem(error)
    }
  }

  /// A body as it came.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - maximumBytes: The largest body that is taken.
  ///   - type: The type that it must be of, where it says which.
  ///   - suffix: The end of other types that will do.
  /// - Returns: The bytes.
  /// - Throws: ``Problem``: `content_too_large`, `unsupported_media_type`.
  static func bytes(
    of request: Request, upTo maximumBytes: Int, type: String, suffix: String? = nil
  ) async throws -> ByteBuffer {
    if let contentType = request.headers[.contentType] { try check(contentType, is: type, or: suffix) }
    do {
      return try await ArrivingBody(request).collect(upTo: maximumBytes)
    } catch is NIOTooManyBytesError {
      throw Problem(.contentTooLarge, "The body may have \(maximumBytes) bytes.")
    }
  }

  /// JSON is UTF-8 (RFC 8259), and a charset may say so.
  private static func check(_ contentType: String, is type: String, or suffix: String?) throws {
    let parts = contentType.split(separator: ";", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
    let charset = parts.dropFirst().first { $0.hasPrefix("charset=") }?.dropFirst("charset=".count)
      .trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    guard let essence = parts.first, essence == type || suffix.map(essence.hasSuffix) == true,
      charset == nil || charset == "utf-8" || charset == "utf8"
    else { throw Problem(.unsupportedMediaType, "The body must be \(type), in UTF-8.") }
  }

  private static func problem(_ error: DecodingError) -> Problem {
    let path: [any CodingKey] =
      switch error {
      case .keyNotFound(let key, let context): context.codingPath + [key]
      case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
        context.codingPath
      @unknown default: []
      }
    let field = path.map(\.stringValue).joined(separator: ".")
    return Problem(.invalidRequest, "The value cannot be taken.", field: field.isEmpty ? nil : field)
  }
}

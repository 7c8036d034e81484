import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOFoundationCompat

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
    if let contentType = request.headers[.contentType] { try check(contentType) }
    let bytes: ByteBuffer
    do {
      bytes = try await request.body.collect(upTo: maximumBytes)
    } catch is NIOTooManyBytesError {
      throw Problem(.contentTooLarge, "The body may have \(maximumBytes) bytes.")
    }
    if isOptional, bytes.readableBytes == 0 { return Data("{}".utf8) }
    let data = Data(buffer: bytes)
    let value: JSONNode
    do {
      value = try JSONDecoder().decode(JSONNode.self, from: data)
    } catch {
      throw Problem(.invalidJSON, "The body is not JSON in UTF-8.")
    }
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

  /// JSON is UTF-8 (RFC 8259), and a charset may say so.
  private static func check(_ contentType: String) throws {
    let parts = contentType.split(separator: ";", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
    let charset = parts.dropFirst().first { $0.hasPrefix("charset=") }?.dropFirst("charset=".count)
      .trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    guard let essence = parts.first, essence == "application/json" || essence.hasSuffix("+json"),
      charset == nil || charset == "utf-8" || charset == "utf8"
    else { throw Problem(.unsupportedMediaType, "The body must be application/json, in UTF-8.") }
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

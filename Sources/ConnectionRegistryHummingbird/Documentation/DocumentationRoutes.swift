import ConnectionRegistry
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// `GET /openapi.json` and `GET /docs`: the API's description for programs and for people.
struct DocumentationRoutes: Sendable {
  private let document: ByteBuffer
  private let page: ByteBuffer

  /// Makes both of the operations.
  init(operations: [APIOperation]) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    let document = OpenAPIDocument(operations: operations).document
    self.document = (try? encoder.encode(document)).map { ByteBuffer(bytes: $0) } ?? ByteBuffer()
    page = ByteBuffer(string: DocumentationPage(operations: operations).html)
  }

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    for (path, body, contentType) in [
      ("openapi.json", document, "application/json"), ("docs", page, "text/html; charset=utf-8"),
    ] {
      let response = Response(
        status: .ok,
        headers: [
          .contentType: contentType, .cacheControl: "no-cache", .xContentTypeOptions: "nosniff",
          .referrerPolicy: "no-referrer", .contentSecurityPolicy: Self.policy,
        ], body: .init(byteBuffer: body))
      router.get(RouterPath(path)) { _, _ in response }
      router.head(RouterPath(path)) { _, _ in response.createHeadResponse() }
    }
  }

  /// Nothing but the page's own style.
  private static let policy: String = {
    let hash = Data(SHA256.hash(data: Data(DocumentationPage.style.utf8))).base64EncodedString()
    return "default-src 'none'; style-src 'sha256-\(hash)'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  }()
}

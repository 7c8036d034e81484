import ConnectionRegistry
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Arrivals of browsers that Terra has sent back.
struct CallbackRoutes: Sendable {
  let registry: ConnectionRegistry

  func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
    for outcome in [RedirectCallback.Outcome.success, .failure] {
      let path = RouterPath("callbacks/terra/{tenant}/{attempt}/\(outcome.rawValue)")
      router.get(path) { request, context in
        try await arrive(request, outcome, context)
      }
      // A look at the headers is no arrival; the answer says nothing about the token.
      router.head(path) { _, _ in Response(status: .noContent, headers: CallbackPage.headers) }
    }
  }

  private func arrive(
    _ request: Request, _ outcome: RedirectCallback.Outcome, _ context: some RequestContext
  ) async throws -> Response {
    guard !Self.isSpeculative(request) else {
      // Browsers drop a prefetched 503 and ask again when the person really goes there.
      return Response(status: .serviceUnavailable, headers: CallbackPage.headers)
    }
    let answer: CallbackAnswer
    do {
      answer = try await registry.callbacks.receive(
        tenant: context.parameters.require("tenant"), attempt: context.parameters.require("attempt"),
        outcome: outcome, rawQuery: Self.rawQuery(request), cookies: Self.cookies(request))
    } catch let error as RegistryError where error.code.httpStatus >= 500 {
      context.logger.warning("Callback not recorded", metadata: ["code": "\(error.code)", "error": "\(error)"])
      return CallbackPage.tryAgain.response(.serviceUnavailable)
    }
    switch answer {
    case .redirect(let target):
      var headers = CallbackPage.headers
      headers[.location] = target
      return Response(status: .seeOther, headers: headers)
    case .unknown:
      return CallbackPage.unknown.response(.notFound)
    case .recorded: return CallbackPage.recorded.response(.ok)
    case .shadowed: return Response(status: .noContent, headers: CallbackPage.headers)
    }
  }

  /// The cookies by name. A name that stands there twice is left out: a browser has one `__Host-` cookie of a name, and
  /// of two nobody can say which one it was given here.
  private static func cookies(_ request: Request) -> [String: String] {
    var cookies: [String: String] = [:]
    var names: Set<String> = []
    for header in request.headers[values: .cookie] {
      for pair in header.split(separator: ";") {
        let parts = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { continue }
        let name = String(parts[0])
        cookies[name] = names.insert(name).inserted ? String(parts[1]) : nil
      }
    }
    return cookies
  }

  /// Whether a browser asks ahead of the person: nobody has arrived yet.
  static func isSpeculative(_ request: Request) -> Bool {
    ["Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"].contains { name in
      guard let name = HTTPField.Name(name), let value = request.headers[name]?.lowercased() else { return false }
      return value.contains("prefetch") || value.contains("prerender") || value.contains("preview")
    }
  }

  /// The query exactly as it came: decoding it is the registry's work, and the raw text is evidence.
  private static func rawQuery(_ request: Request) -> String {
    guard let path = request.head.path, let mark = path.firstIndex(of: "?") else { return "" }
    return String(path[path.index(after: mark)...])
  }
}

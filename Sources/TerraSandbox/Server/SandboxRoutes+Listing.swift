import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

extension SandboxRoutes {
  /// `GET /subscriptions`, whole or by page.
  func subscriptions(_ call: TerraCall) async throws -> Response {
    let fault = call.environment.listingFault
    let objects = await self.listed(call, fault)
    guard let text = call.parameter("page") else {
      if fault == .emptyBody { return Response(status: .ok, headers: [.contentType: "application/json"]) }
      return Response.json(["status": "success", "users": .array(objects)])
    }
    guard let page = Int(text), page >= 0, let asked = Int(call.parameter("per_page") ?? "500"),
      (1...500).contains(asked)
    else { throw call.problem(.badRequest, "page must be a number from 0, per_page one from 1 to 500") }
    let size = min(asked, call.environment.listingPageSize ?? asked)
    let last = max(0, (objects.count - 1) / size)
    let (start, overflow) = page.multipliedReportingOverflow(by: size)
    var results = overflow || start >= objects.count ? [] : Array(objects[start..<min(objects.count, start + size)])
    var next: JSONValue = page < last ? .count(page + 1) : .null
    switch fault {
    case .emptyBody: return Response(status: .ok, headers: [.contentType: "application/json"])
    case .rateLimited where page > 0:
      throw call.problem(.tooManyRequests, "Too many requests")
    case .serverError where page > 0: return Self.brokenPage
    case .truncated where page >= last / 2:
      results = Array(results.prefix(max(1, results.count / 2)))
      next = .null
    case .shifted where page > 0: results = Array(results.dropFirst())
    case .repeated where page > 0: results += objects.prefix(1)
    case .skipsPage where page == 0 && last > 0: next = .count(2)
    default: break
    }
    return Response.json(["data": ["next": next, "max_page": .count(last), "results": .array(results)]])
  }

  private func listed(_ call: TerraCall, _ fault: ListingFault?) async -> [JSONValue] {
    var slug = call.environment.slug
    if fault == .foreign { slug = await self.world.neighbour(of: slug)?.slug ?? slug }
    let connections = fault == .empty ? [] : await self.world.authenticated(tenant: slug)
    var objects = connections.map { self.object($0, call) }
    if fault == .conflicting, var first = connections.first {
      first.referenceID = (first.referenceID ?? "") + "-other"
      objects.append(self.object(first, call))
    }
    return objects
  }

  /// What a proxy in front of Terra answers when Terra fails.
  private static var brokenPage: Response {
    Response(
      status: .internalServerError, headers: [.contentType: "text/html"],
      body: .init(byteBuffer: ByteBuffer(string: "<html><body><h1>500 Internal Server Error</h1></body></html>")))
  }
}

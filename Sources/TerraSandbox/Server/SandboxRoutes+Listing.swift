import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

extension SandboxRoutes {
  /// A page of the listing before it is written as JSON.
  private struct Part {
    var users: [TerraConnection]
    var next: Int?
    var last: Int?
  }

  /// `GET /subscriptions`, whole or by page.
  func subscriptions(_ call: TerraCall) async throws -> Response {
    let fault = call.environment.listingFault
    let users = await self.listed(call, fault)
    guard let text = call.parameter("page") else {
      if fault == .emptyBody { return await self.emptyPage(call, nil) }
      await self.note(call, nil, 200, Part(users: users))
      return Response.json(["status": "success", "users": .array(users.map { self.object($0, call) })])
    }
    guard let page = Int(text), page >= 0, let asked = Int(call.parameter("per_page") ?? "500"),
      (1...500).contains(asked)
    else { throw call.problem(.badRequest, "page must be a number from 0, per_page one from 1 to 500") }
    let size = min(asked, call.environment.listingPageSize ?? asked)
    let last = max(0, (users.count - 1) / size)
    let (start, overflow) = page.multipliedReportingOverflow(by: size)
    let results = overflow || start >= users.count ? [] : Array(users[start..<min(users.count, start + size)])
    var part = Part(users: results, next: page < last ? page + 1 : nil, last: last)
    switch fault {
    case .emptyBody: return await self.emptyPage(call, page)
    case .rateLimited where page > 0:
      await self.note(call, page, 429, nil)
      throw call.problem(.tooManyRequests, "Too many requests")
    case .serverError where page > 0:
      await self.note(call, page, 500, nil)
      return Self.proxyPage(.internalServerError)
    case .truncated where page >= last / 2:
      part = Part(users: Array(results.prefix(max(1, results.count / 2))), last: page)
    case .cutShort where page >= last / 2: part.next = nil
    case .shifted where page > 0: part.users = Array(results.dropFirst())
    case .repeated where page > 0: part.users += users.prefix(1)
    case .skipsPage where page == 0 && last > 0: part.next = 2
    default: break
    }
    await self.note(call, page, 200, part)
    return Response.json([
      "data": [
        "next": .count(part.next), "max_page": .count(part.last),
        "results": .array(part.users.map { self.object($0, call) }),
      ]
    ])
  }

  private func listed(_ call: TerraCall, _ fault: ListingFault?) async -> [TerraConnection] {
    var slug = call.shownEnvironment
    let neighbour = await self.world.neighbour(of: slug)?.slug
    if fault == .foreign { slug = neighbour ?? slug }
    var connections = fault == .empty ? [] : await self.world.authenticated(tenant: slug)
    if fault == .lostPart { connections = Array(connections.dropFirst(Self.lostCount)) }
    if fault == .mixed, let neighbour {
      connections += await self.world.authenticated(tenant: neighbour).prefix(Self.strangers)
    }
    if fault == .conflicting, var first = connections.first {
      first.referenceID = (first.referenceID ?? "") + "-other"
      connections.append(first)
    }
    return connections
  }

  private func note(_ call: TerraCall, _ number: Int?, _ status: Int, _ part: Part?) async {
    await self.sandbox.note(
      .page(
        .init(
          tenant: call.environment.slug, number: number, status: status, users: part?.users.map { .init($0) },
          next: part?.next, last: part?.last, at: self.sandbox.clock.now().timeIntervalSince1970)))
  }

  /// An answer with nothing in it, with status 200.
  private func emptyPage(_ call: TerraCall, _ number: Int?) async -> Response {
    await self.note(call, number, 200, nil)
    return Response(status: .ok, headers: [.contentType: "application/json"])
  }

  /// Whether a connection is in the part of Terra's store that is not there.
  func isLost(_ userID: String, _ call: TerraCall) async -> Bool {
    guard call.environment.listingFault == .lostPart else { return false }
    return await self.world.authenticated(tenant: call.environment.slug).prefix(Self.lostCount)
      .contains { $0.userID == userID }
  }

  /// More than may end at once without a person looking.
  private static let lostCount = 15

  /// How many connections of another environment a mixed listing holds.
  private static let strangers = 2

  /// What a proxy in front of Terra answers by itself.
  static func proxyPage(_ status: HTTPResponse.Status) -> Response {
    Response(
      status: status, headers: [.contentType: "text/html"],
      body: .init(byteBuffer: ByteBuffer(string: "<html><body><h1>\(status)</h1></body></html>")))
  }
}

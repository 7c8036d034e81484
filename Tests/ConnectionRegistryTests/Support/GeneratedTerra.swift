@testable import ConnectionRegistry
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import RegistryPostgres

/// Terra with as many users as a test wants, none of which it holds: each page is made when it is asked for.
struct GeneratedTerra: Sendable {
  /// The users of a page, as JSON objects.
  typealias Page = @Sendable (_ number: Int, _ numbers: Range<Int>) -> [String]

  /// How many users there are.
  let users: Int
  /// Whether a listing comes in pages.
  var isPaged = true
  /// What a page holds of the users of these numbers.
  var page: Page = { _, numbers in numbers.map { user($0) } }
  /// Whether it fails at questions about one user.
  var fails: @Sendable () -> Bool = { false }
  /// How many bytes of white space stand before a listing that is not paged.
  var padding = 0

  /// The id of the user of a number.
  static func id(_ number: Int) -> String {
    let digits = String(number)
    return "u" + String(repeating: "0", count: max(0, 7 - digits.count)) + digits
  }

  /// What Terra says of the user of a number.
  static func user(_ number: Int, id: String? = nil, reference: String? = nil, isActive: Bool = true) -> String {
    """
    {"user_id":"\(id ?? Self.id(number))","provider":"FITBIT","reference_id":"\(reference ?? "p\(number)")",\
    "scopes":"ACTIVITY,DAILY","active":\(isActive)}
    """
  }

  /// Answers over HTTP for as long as a closure runs.
  func serve(_ body: @escaping @Sendable (_ baseURL: String) async throws -> Void) async throws {
    let responder = CallbackResponder { (request: Request, _: BasicRequestContext) in
      answer(request.uri.path, request.uri.queryParameters)
    }
    try await Application(responder: responder).test(.live) { client in
      try await body("http://127.0.0.1:\(client.port ?? 0)/v2")
    }
  }

  private func answer(_ path: String, _ query: Parameters) -> Response {
    guard path.hasSuffix("/subscriptions") else { return one(query.get("user_id") ?? "") }
    guard isPaged else { return whole }
    guard let number = query.get("page").flatMap(Int.init), let size = query.get("per_page").flatMap(Int.init) else {
      return Self.json(#"{"status":"error","message":"page and per_page are needed"}"#, .badRequest)
    }
    let last = max(0, (users - 1) / size)
    let objects = page(number, min(number * size, users)..<min((number + 1) * size, users))
    return Self.json(
      """
      {"data":{"next":\(number < last ? String(number + 1) : "null"),"max_page":\(last),\
      "results":[\(objects.joined(separator: ","))]}}
      """)
  }

  private func one(_ userID: String) -> Response {
    if fails() { return Self.json(#"{"status":"error","message":"later"}"#, .internalServerError) }
    guard let number = Int(userID.dropFirst()), (0..<users).contains(number), Self.id(number) == userID else {
      return Self.json(#"{"status":"error","message":"User not found"}"#, .notFound)
    }
    return Self.json(#"{"status":"success","user":\#(Self.user(number)),"is_authenticated":true}"#)
  }

  /// All users in one answer, written as it is made.
  private var whole: Response {
    let (users, padding, page) = (users, padding, page)
    return Response(
      status: .ok, headers: [.contentType: "application/json"],
      body: ResponseBody { writer in
        let blank = ByteBuffer(string: String(repeating: " ", count: 1 << 20))
        for _ in 0..<(padding >> 20) { try await writer.write(blank) }
        try await writer.write(ByteBuffer(string: #"{"status":"success","users":["#))
        for start in stride(from: 0, to: users, by: 1_000) {
          let objects = page(0, start..<min(start + 1_000, users)).joined(separator: ",")
          try await writer.write(ByteBuffer(string: (start == 0 ? "" : ",") + objects))
        }
        try await writer.write(ByteBuffer(string: "]}"))
        try await writer.finish(nil)
      })
  }

  private static func json(_ text: String, _ status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(string: text)))
  }
}

extension Stage {
  /// Lets the tenant's questions go to a Terra whose pages are made, for as long as a closure runs.
  func asking(_ terra: GeneratedTerra, _ body: @escaping @Sendable () async throws -> Void) async throws {
    try await terra.serve { url in
      try await owner.execute(
        "UPDATE registry.tenant SET terra_base_url = $1 WHERE slug = $2", [.text(url), .text(slug)])
      registry.connections.directory.forget(slug)
      try await body()
    }
  }
}

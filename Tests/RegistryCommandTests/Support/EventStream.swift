import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Testing

/// Reads server-sent events as a browser does.
enum EventStream {
  struct Event: Sendable {
    var id: String
    var userID: String
    var sequence: Int
  }

  /// Reads so many events, or to the end of the stream.
  static func read(_ service: ServiceProcess, key: String, lastID: String?, count: Int) async throws -> [Event] {
    var events: [Event] = []
    try await follow(service, key: key, lastID: lastID) { event in
      events.append(event)
      return events.count < count
    }
    return events
  }

  /// Reads events for as long as each is answered with true, or to the end of the stream.
  static func follow(
    _ service: ServiceProcess, key: String, lastID: String?, _ take: (Event) async throws -> Bool
  ) async throws {
    var request = HTTPClientRequest(url: service.url + "/v1/changes")
    request.headers.add(name: "Authorization", value: "Bearer \(key)")
    request.headers.add(name: "Accept", value: "text/event-stream")
    if let lastID { request.headers.add(name: "Last-Event-ID", value: lastID) }
    let response = try await HTTPClient.withoutRedirects.execute(request, timeout: .minutes(5))
    #expect(response.status == .ok && response.headers.first(name: "content-type") == "text/event-stream")
    var text = ""
    for try await piece in response.body {
      text += String(buffer: piece)
      while let end = text.range(of: "\n\n") {
        if let event = event(String(text[..<end.lowerBound])), try await !take(event) { return }
        text = String(text[end.upperBound...])
      }
    }
  }

  private static func event(_ block: String) -> Event? {
    var fields: [String: String] = [:]
    for line in block.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2, !line.hasPrefix(":") { fields[String(parts[0])] = parts[1].dropFirst().description }
    }
    guard let id = fields["id"], fields["event"] == "change", let data = fields["data"],
      let change = try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any]
    else { return nil }
    return Event(id: id, userID: change["user_id"] as? String ?? "", sequence: change["sequence"] as? Int ?? 0)
  }
}

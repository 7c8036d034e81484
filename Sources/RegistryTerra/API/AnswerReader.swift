import RegistryModel

/// Reads the fields of an answer; whatever is not as it should be makes the whole answer unreadable.
struct AnswerReader {
  let document: JSONValue
  let endpoint: String

  init(_ document: JSONValue, endpoint: String) {
    self.document = document
    self.endpoint = endpoint
  }

  func unreadable(_ message: String) -> TerraAPIError {
    TerraAPIError(.unreadableReply, endpoint: endpoint, message: message)
  }

  func text(_ name: String, limit: Int) throws -> String {
    do {
      guard let text = try JSONFields(document).text(name, limit: limit) else {
        throw unreadable("\(name) is missing")
      }
      return text
    } catch let error as TerraEventError {
      throw unreadable("\(error)")
    }
  }

  /// A URL for a browser: it goes into a `Location` header, so only plain printable http and https will do.
  func webURL(_ name: String) throws -> String {
    let url = try text(name, limit: 16_384)
    let lowered = url.prefix(8).lowercased()
    guard lowered.hasPrefix("https://") || lowered.hasPrefix("http://") else {
      throw unreadable("\(name) is not an http or https URL")
    }
    guard url.utf8.allSatisfy({ (0x21..<0x7F).contains($0) }) else {
      throw unreadable("\(name) holds characters that a URL cannot hold")
    }
    return url
  }

  func seconds(_ name: String) -> Duration? {
    guard let seconds = document[name]?.integer, (1...31_536_000).contains(seconds) else { return nil }
    return .seconds(seconds)
  }

  func texts(_ name: String) -> [String] {
    guard case .array(let elements)? = document[name] else { return [] }
    return elements.compactMap(\.text)
  }

  func bool(_ name: String) -> Bool? {
    guard case .bool(let bool)? = document[name] else { return nil }
    return bool
  }

  /// The users of an answer, in any of the shapes in use.
  func users() throws -> [TerraUser] {
    switch document {
    case .array(let elements): return try users(elements)
    case .object(let members):
      if case .array(let elements)? = members["users"] { return try users(elements) }
      if case .array(let elements)? = members["user"] { return try users(elements) }
      if case .object? = members["user"], let user = members["user"] { return try users([user]) }
      throw unreadable("the answer has neither user nor users")
    default: throw unreadable("the answer is \(document.kindInWords), not users")
    }
  }

  func subscriptionPage(asked: Int?) throws -> TerraSubscriptionPage {
    guard let data = document["data"] else {
      return TerraSubscriptionPage(users: try users(), nextPage: nil, maximumPage: nil, isPaged: false)
    }
    guard case .array(let elements)? = data["results"] else { throw unreadable("data.results is not an array") }
    let next: Int?
    switch data["next"] {
    case nil: throw unreadable("data.next is missing: the listing may go on")
    case .null: next = nil
    case .some(let value):
      guard let number = value.integer else { throw unreadable("data.next is neither a number nor null") }
      guard number > (asked ?? 0) else { throw unreadable("data.next is not after the page asked for") }
      next = number
    }
    return TerraSubscriptionPage(
      users: try users(elements), nextPage: next, maximumPage: data["max_page"]?.integer, isPaged: true)
  }

  private func users(_ elements: [JSONValue]) throws -> [TerraUser] {
    do {
      return try elements.enumerated().map { index, element in
        try TerraUser(try JSONFields(element, path: "users[\(index)]"))
      }
    } catch let error as TerraEventError {
      throw unreadable("\(error)")
    }
  }
}

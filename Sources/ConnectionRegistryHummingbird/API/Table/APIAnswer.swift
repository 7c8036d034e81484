import HTTPTypes

/// One way in which an operation answers when it does what was asked.
struct APIAnswer: Sendable {
  var status: Int
  var description: String
  /// The shape of the body; nil where there is none.
  var schema: APISchema?
  var contentType = "application/json"
  /// Another type that the answer has where `Accept` asks for it, as text.
  var textType: String?
  /// Whether `Location` names what was made.
  var namesLocation = false
  /// Whether it is one page of a list.
  var isPage = false
  /// Where one can go from here: operations whose parameters this answer gives.
  var links: [APILink] = []

  /// 200 with one object, or with text of another type where `Accept` asks for that.
  static func ok(
    _ schema: APISchema, _ description: String, links: [APILink] = [], orAsText textType: String? = nil
  ) -> APIAnswer {
    APIAnswer(status: 200, description: description, schema: schema, textType: textType, links: links)
  }

  /// 200 with one page of a list.
  static func page(of item: APISchema, _ description: String, links: [APILink] = []) -> APIAnswer {
    APIAnswer(status: 200, description: description, schema: .page(of: item), isPage: true, links: links)
  }

  /// 201 with the object that was made, and its path in `Location`.
  static func created(_ schema: APISchema, _ description: String, links: [APILink] = []) -> APIAnswer {
    APIAnswer(status: 201, description: description, schema: schema, namesLocation: true, links: links)
  }

  /// 202 with the object that will be worked on, and its path in `Location`.
  static func accepted(_ schema: APISchema, _ description: String, links: [APILink] = []) -> APIAnswer {
    APIAnswer(status: 202, description: description, schema: schema, namesLocation: true, links: links)
  }

  /// 204 without a body.
  static func noContent(_ description: String) -> APIAnswer { APIAnswer(status: 204, description: description) }
}

/// From an answer to an operation that it gives a parameter for.
struct APILink: Sendable {
  /// The operation's id.
  var operation: String
  /// By parameter a runtime expression of OpenAPI, such as `$response.body#/items/0/user_id`.
  var parameters: [String: String]

  /// To an operation whose parameter stands in the answer's body.
  ///
  /// - Parameters:
  ///   - operation: The id of the operation.
  ///   - parameter: The parameter's name.
  ///   - pointer: Where its value stands, as a JSON pointer: `/items/0/user_id`.
  /// - Returns: The link.
  static func to(_ operation: String, _ parameter: String, from pointer: String) -> APILink {
    APILink(operation: operation, parameters: [parameter: "$response.body#\(pointer)"])
  }
}

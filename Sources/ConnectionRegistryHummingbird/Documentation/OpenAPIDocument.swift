import ConnectionRegistry
import HTTPTypes

/// The OpenAPI 3.1 document of `/v1`, made of the operations' declarations.
struct OpenAPIDocument {
  let operations: [APIOperation]

  /// The whole document.
  var document: JSONNode {
    [
      "openapi": "3.1.0",
      "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
      "info": [
        "title": "Connection registry", "version": "1",
        "description": """
        The truth about the wearables that a team's users connect through Terra. Every request carries an API key \
        of one tenant and sees that tenant only. This document covers `/v1` and nothing else: not the webhooks, the \
        browser's way back, the gateway below `/terra`, nor health. Times are RFC 3339 in UTC; lists are paged by \
        cursors; errors are problem documents (RFC 9457) whose `code` is stable.
        """,
      ],
      "servers": [["url": "/", "description": "Where this document was read."]],
      "security": [["api_key": []]],
      "tags": .list(
        APIOperation.Tag.allCases.filter { tag in operations.contains { $0.tag == tag } }
          .map { ["name": .text($0.rawValue)] }),
      "paths": .object(paths),
      "components": .object([
        "schemas": .object(schemas),
        "securitySchemes": [
          "api_key": [
            "type": "http", "scheme": "bearer",
            "description": "An API key of the tenant: `Authorization: Bearer crk_…`.",
          ]
        ],
      ]),
    ]
  }

  private var paths: [String: JSONNode] {
    Dictionary(grouping: operations, by: \.path).mapValues { operations in
      .object(
        Dictionary(
          operations.map { ($0.method.rawValue.lowercased(), Self.document($0)) }, uniquingKeysWith: { _, last in last }
        ))
    }
  }

  private static let lateCommits = """


    A list is ordered by the time at which rows began to be written, so one that was committed late may stand before a \
    cursor that was given out. Who follows what happens follows `/v1/changes`, where nothing does.
    """

  private var schemas: [String: JSONNode] {
    let named = operations.flatMap { operation in operation.answer.schema?.named ?? [] }
    return Dictionary(
      named.map { ($0.name, $0.schema.document(isStrict: false)) }, uniquingKeysWith: { first, _ in first })
  }

  private static func document(_ operation: APIOperation) -> JSONNode {
    var members: [String: JSONNode] = [
      "operationId": .text(operation.id), "tags": [.text(operation.tag.rawValue)],
      "summary": .text(operation.summary),
      "description": .text(
        "\(operation.description)\(operation.answer.isPage ? lateCommits : "")\n\n"
          + "Needs the scope `\(operation.scope.rawValue)`."),
      "x-scope": .text(operation.scope.rawValue),
      "responses": .object(responses(of: operation)),
    ]
    if !operation.allParameters.isEmpty {
      members["parameters"] = .list(operation.allParameters.map(parameter))
    }
    if let body = operation.body {
      members["requestBody"] = [
        "required": .boolean(!operation.bodyIsOptional),
        "content": .object([operation.bodyForm.contentType: ["schema": body.document(isStrict: true)]]),
      ]
    }
    return .object(members)
  }

  private static func parameter(_ parameter: APIParameter) -> JSONNode {
    var members: [String: JSONNode] = [
      "name": .text(parameter.name), "in": .text(parameter.place.rawValue),
      "required": .boolean(parameter.place == .path), "description": .text(parameter.description),
      "schema": parameter.schema.document(isStrict: true),
    ]
    if case .list = parameter.schema.form {
      members["style"] = "form"
      members["explode"] = false
    }
    return .object(members)
  }

  private static func responses(of operation: APIOperation) -> [String: JSONNode] {
    var responses = [String(operation.answer.status): success(operation)]
    if operation.hasEntityTag, operation.method == .get {
      responses["304"] = ["description": "What `If-None-Match` names still holds.", "headers": requestID]
    }
    for (status, codes) in Dictionary(grouping: operation.allProblems, by: \.status) {
      var headers = requestID
      if status == 429 || status == 503, case .object(var members) = headers {
        members["Retry-After"] = [
          "description": "Seconds after which trying again makes sense.", "schema": ["type": "integer"],
        ]
        headers = .object(members)
      }
      responses[String(status)] = [
        "description": .text(codes.map { "`\($0.code)`: \($0.meaning)" }.joined(separator: "\n\n")),
        "headers": headers,
        "content": [
          "application/problem+json": ["schema": ProblemSchemas.problem(codes).document(isStrict: false)]
        ],
      ]
    }
    return responses
  }

  private static let requestID: JSONNode = [
    "X-Request-Id": ["description": "The request's id.", "schema": ["type": "string"]]
  ]

  private static func success(_ operation: APIOperation) -> JSONNode {
    let answer = operation.answer
    guard case .object(var headers) = requestID else { return .null }
    if answer.namesLocation {
      headers["Location"] = ["description": "The path of what was made.", "schema": ["type": "string"]]
    }
    if operation.hasEntityTag {
      headers["ETag"] = ["description": "Names this content, for conditional requests.", "schema": ["type": "string"]]
    }
    var members: [String: JSONNode] = ["description": .text(answer.description), "headers": .object(headers)]
    if let schema = answer.schema {
      var content: [String: JSONNode] = [answer.contentType: ["schema": schema.document(isStrict: false)]]
      if let type = answer.textType { content[type] = ["schema": ["type": "string"]] }
      members["content"] = .object(content)
    }
    if !answer.links.isEmpty {
      let links = answer.links.map { link in
        (
          link.operation,
          [
            "operationId": .text(link.operation), "parameters": .object(link.parameters.mapValues(JSONNode.text)),
          ] as JSONNode
        )
      }
      members["links"] = .object(Dictionary(links, uniquingKeysWith: { _, last in last }))
    }
    return .object(members)
  }
}

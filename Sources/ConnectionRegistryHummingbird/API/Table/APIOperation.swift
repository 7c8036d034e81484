import ConnectionRegistry
import HTTPTypes

/// One operation of `/v1`, declared once: its route, how its requests are checked, and its place in the OpenAPI
/// document come from this declaration, so the document cannot say what the service does not do.
///
/// `docs/architecture.md` shows how one is added.
struct APIOperation: Sendable {
  /// A part of the API, by what it is about.
  enum Tag: String, Sendable, CaseIterable {
    case sessions = "Sessions"
    case connections = "Connections"
    case appUsers = "App users"
    case events = "Events"
    case receipts = "Receipts"
    case callbacks = "Callbacks"
    case reconciliations = "Reconciliations"
    case findings = "Findings"
    case changes = "Changes"
    case endpoints = "Endpoints"
    case deliveries = "Deliveries"
    case keys = "API keys"
  }

  /// How a repeated request with the same `Idempotency-Key` is treated.
  enum Idempotency: Sendable {
    /// The operation takes no key: a repetition is harmless by itself.
    case none
    /// The first answer is kept and given again.
    case kept
    /// The handler sees to it by itself, with ``APICall/idempotencyKey``.
    case own
  }

  /// What a body is written in.
  enum BodyForm: Sendable {
    /// One JSON value that fits the schema.
    case json
    /// Lines of JSON, each read by the operation itself, in so many bytes at most.
    case lines(maximumBytes: Int)

    var contentType: String {
      switch self {
      case .json: "application/json"
      case .lines: "application/x-ndjson"
      }
    }
  }

  var method: HTTPRequest.Method
  /// The path with its parameters in braces: `/v1/connections/{user_id}`.
  var path: String
  /// The operation's stable name in generated clients, such as `showConnection`.
  var id: String
  var tag: Tag
  /// What the API key must be allowed.
  var scope: APIKeyScope
  var summary: String
  var description: String
  var parameters: [APIParameter]
  /// The shape of the body; nil where none is read.
  var body: APISchema?
  /// What the body is written in.
  var bodyForm: BodyForm
  /// Whether the body may be left out.
  var bodyIsOptional: Bool
  var idempotency: Idempotency
  /// Whether answers carry an `ETag`, and `If-None-Match` or `If-Match` are heeded.
  var hasEntityTag: Bool
  var answer: APIAnswer
  /// What may go wrong, beside what may go wrong with every operation.
  var problems: [ProblemCode]
  /// The longest time that the handler may take; nil is the service's own limit.
  var timeLimit: Duration?
  var handler: @Sendable (APICall) async throws -> APIReply

  /// Declares an operation.
  ///
  /// - Parameters:
  ///   - method: The method.
  ///   - path: The path with its parameters in braces.
  ///   - id: The operation's stable name in generated clients.
  ///   - tag: What it is about.
  ///   - scope: What the API key must be allowed.
  ///   - summary: What it does, in a few words.
  ///   - description: What one must know to use it.
  ///   - parameters: Those of path, query and headers; unknown ones of the query are refused.
  ///   - body: The shape of the body.
  ///   - bodyForm: What the body is written in.
  ///   - bodyIsOptional: Whether the body may be left out.
  ///   - idempotency: How a repetition with the same `Idempotency-Key` is treated.
  ///   - hasEntityTag: Whether answers carry an `ETag`.
  ///   - answer: How it answers when it does what was asked.
  ///   - problems: What may go wrong, beside what may go wrong with every operation.
  ///   - timeLimit: The longest time that the handler may take; nil is the service's own limit.
  ///   - handler: Does it.
  init(
    _ method: HTTPRequest.Method, _ path: String, id: String, tag: Tag, scope: APIKeyScope, summary: String,
    description: String, parameters: [APIParameter] = [], body: APISchema? = nil,
    bodyForm: BodyForm = .json, bodyIsOptional: Bool = false,
    idempotency: Idempotency = .none, hasEntityTag: Bool = false, answer: APIAnswer, problems: [ProblemCode] = [],
    timeLimit: Duration? = nil, handler: @escaping @Sendable (APICall) async throws -> APIReply
  ) {
    self.method = method
    self.path = path
    self.id = id
    self.tag = tag
    self.scope = scope
    self.summary = summary
    self.description = description
    self.parameters = parameters
    self.body = body
    self.bodyForm = bodyForm
    self.bodyIsOptional = bodyIsOptional
    self.idempotency = idempotency
    self.hasEntityTag = hasEntityTag
    self.answer = answer
    self.problems = problems
    self.timeLimit = timeLimit
    self.handler = handler
  }

  /// All its parameters, with the headers that follow from what else is declared.
  var allParameters: [APIParameter] {
    var all = parameters
    if idempotency != .none { all.append(Self.idempotencyKey) }
    if hasEntityTag {
      all.append(method == .get ? Self.ifNoneMatch : Self.ifMatch)
    }
    return all
  }

  /// Everything that may go wrong.
  var allProblems: [ProblemCode] {
    var all = ProblemCode.ofEveryOperation + problems
    if body != nil {
      all += [.bodyTimedOut, .contentTooLarge, .unsupportedMediaType]
      if case .json = bodyForm { all.append(.invalidJSON) }
    }
    if idempotency != .none { all += [.idempotencyConflict, .idempotencyInProgress] }
    if hasEntityTag, method != .get { all.append(.preconditionFailed) }
    if parameters.contains(where: { $0.place == .path }) { all.append(.notFound) }
    var seen: Set<String> = []
    return all.filter { seen.insert($0.code).inserted }.sorted { ($0.status, $0.code) < ($1.status, $1.code) }
  }

  private static let idempotencyKey = APIParameter.header(
    "Idempotency-Key", .printable(1...255, like: "b7f0c2de-4a52-4c1e-8a53-6f4f0e6f2d11"),
    "Makes a repetition of this request, with the same API key, give the first one's answer instead of acting again; "
      + "kept for 24 hours at least.")
  private static let ifNoneMatch = APIParameter.header(
    "If-None-Match", APISchema(form: .text(length: 1...1_024, format: .headerText)),
    "An `ETag` from before: the answer is 304 without a body while it still holds.")
  private static let ifMatch = APIParameter.header(
    "If-Match", APISchema(form: .text(length: 1...1_024, format: .headerText)),
    "An `ETag` from before: the change is made only while it still holds, else 412.")
}

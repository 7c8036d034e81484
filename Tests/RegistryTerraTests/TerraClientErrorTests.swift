import HTTPTypes
import NIOConcurrencyHelpers
import RegistryModel
import RegistryTerra
import Testing

@Suite struct TerraClientErrorTests {
  private struct Case: Sendable, CustomTestStringConvertible {
    let answer: Answer
    let code: TerraAPIError.Code
    let message: String?
    var testDescription: String { "\(answer.status.code) \(code)" }
  }

  private static func problem(_ status: HTTPResponse.Status, _ title: String) -> Answer {
    Answer(
      status: status, headers: ["content-type": "application/problem+json"],
      body: #"{"type":"about:blank","title":"\#(title)","instance":"/api/v2/x","detail":"d"}"#)
  }

  private static let html = Answer(
    status: .internalServerError, headers: ["content-type": "text/html"], body: "<html><h1>500</h1></html>")

  private static let cases: [Case] = [
    Case(answer: problem(.badRequest, "bad request"), code: .badRequest, message: "bad request: d"),
    Case(answer: .json(#"{"status":"error","message":"m"}"#, status: .badRequest), code: .badRequest, message: "m"),
    Case(answer: problem(.unauthorized, "unauthorized"), code: .unauthorized, message: "unauthorized: d"),
    Case(answer: .json(#"{"status":"error","message":"m"}"#, status: .forbidden), code: .forbidden, message: "m"),
    Case(answer: .json(#"{"status":"error","message":"m"}"#, status: .notFound), code: .notFound, message: "m"),
    Case(answer: problem(.notFound, "not found"), code: .notFound, message: "not found: d"),
    Case(
      answer: Answer(status: .notFound, headers: ["content-type": "text/html"], body: "<html>"),
      code: .unreadableReply, message: "the answer has 6 bytes of text/html and no message"),
    Case(answer: Answer(status: .notFound, headers: [:], body: ""), code: .unreadableReply, message: nil),
    Case(
      answer: Answer(status: .gone, headers: [:], body: "use the new one"), code: .gone,
      message: "the answer has 15 bytes of unknown type and no message"),
    Case(
      answer: .json("{}", status: .unprocessableContent), code: .badRequest,
      message: "the answer has 2 bytes of application/json and no message"),
    Case(
      answer: .json("{}", status: .conflict), code: .refused,
      message: "the answer has 2 bytes of application/json and no message"),
    Case(answer: html, code: .serverError, message: "the answer has 25 bytes of text/html and no message"),
    Case(answer: problem(.serviceUnavailable, "busy"), code: .serverError, message: "busy: d"),
    Case(answer: .json(#"{"status":"error","message":"m"}"#), code: .refused, message: "m"),
    Case(
      answer: Answer(status: .found, headers: ["location": "/elsewhere"], body: ""), code: .redirected, message: nil),
  ]

  @Test(arguments: cases)
  private func everyErrorOfBothGenerations(_ example: Case) async throws {
    let requests = try await FakeTerra.answering({ _ in example.answer }) { client in
      let error = await #expect(throws: TerraAPIError.self) { try await client.userInfo(userID: "u") }
      #expect(error?.code == example.code)
      #expect(error?.httpStatus == example.answer.status.code)
      #expect(error?.message == example.message)
      #expect(error?.endpoint == "GET /userInfo")
    }
    #expect(requests.count == 1, "neither tried again nor redirected")
  }

  @Test(
    arguments: [
      ("7", nil, .seconds(7)), ("999999999", nil, .seconds(604_800)), ("soon", nil, nil), ("-1", nil, nil),
      ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:00 GMT", .seconds(37)),
      ("Wed, 01 Mar 2000 00:00:10 GMT", "Tue, 29 Feb 2000 23:59:50 GMT", .seconds(20)),
      ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 09:00:00 GMT", .zero),
    ] as [(String, String?, Duration?)])
  func tooManyRequestsSayWhenToComeBack(value: String, date: String?, expected: Duration?) async throws {
    // Written as bytes, because a server would put in its own date.
    let head = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nretry-after: \(value)\r\n"
    let answer = head + (date.map { "date: \($0)\r\n" } ?? "") + "\r\n"
    try await FakeTerra.misbehaving(writing: answer, closes: false) { port in
      let client = TerraClient(configuration: FakeTerra.configuration(port: port))
      let error = await #expect(throws: TerraAPIError.self) { try await client.subscriptions() }
      #expect(error?.code == .rateLimited)
      #expect(error?.isRetryable == true)
      #expect(error?.retryAfter == expected)
    }
  }

  @Test func theKeyNeverShows() async throws {
    let echo = Answer.json(#"{"status":"error","message":"bad key \#(FakeTerra.key) for r@x.com"}"#, status: .forbidden)
    try await FakeTerra.answering({ _ in echo }) { client in
      let error = try #require(await #expect(throws: TerraAPIError.self) { try await client.userInfo(userID: "u") })
      #expect("\(error)" == "Terra's GET /userInfo failed with status 403: forbidden")
      #expect(String(reflecting: error).contains("bad key [key] for"))
      #expect(!String(reflecting: error).contains(FakeTerra.key))
    }
  }

  @Test func longMessagesAreCut() async throws {
    let long = Answer.json(
      #"{"status":"error","message":"\#(String(repeating: "x", count: 5_000))"}"#, status: .badRequest)
    try await FakeTerra.answering({ _ in long }) { client in
      let error = await #expect(throws: TerraAPIError.self) { try await client.userInfo(userID: "u") }
      #expect(error?.message?.count == 300)
    }
  }

  @Test func answersAreBoundedInSize() async throws {
    let body = #"{"users":[]}"#
    try await FakeTerra.answering({ _ in .json(body) }, maximumReplyBytes: body.utf8.count) { client in
      let users = try await client.userInfo(referenceID: "r")
      #expect(users.isEmpty)
    }
    try await FakeTerra.answering({ _ in .json(body + " ") }, maximumReplyBytes: body.utf8.count) { client in
      let error = await #expect(throws: TerraAPIError.self) { try await client.userInfo(referenceID: "r") }
      #expect(error?.code == .replyTooLarge)
    }
  }

  @Test(arguments: ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"])
  func silenceEndsAtTheDeadline(bytes: String) async throws {
    try await FakeTerra.misbehaving(writing: bytes, closes: false) { port in
      let client = TerraClient(configuration: FakeTerra.configuration(port: port, deadline: .milliseconds(100)))
      let error = await #expect(throws: TerraAPIError.self) { try await client.userInfo(userID: "u") }
      #expect(error?.code == .timedOut)
      #expect(error?.isRetryable == true)
      #expect(error?.isProvenUnsent == false)
    }
  }

  @Test(arguments: ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{", "garbage\r\n\r\n"])
  func aBrokenConnectionIsNoAnswer(bytes: String) async throws {
    try await FakeTerra.misbehaving(writing: bytes, closes: true) { port in
      let client = TerraClient(configuration: FakeTerra.configuration(port: port))
      let error = await #expect(throws: TerraAPIError.self) { try await client.userInfo(referenceID: "r") }
      #expect(error?.code == .connectionLost)
      #expect(error?.isProvenUnsent == false)
    }
  }

  @Test func whereNobodyListensNothingWasSent() async throws {
    let client = TerraClient(configuration: FakeTerra.configuration(port: try await FakeTerra.closedPort()))
    let error = await #expect(throws: TerraAPIError.self) { try await client.userInfo(userID: "u") }
    #expect(error?.code == .unreachable)
    #expect(error?.isProvenUnsent == true)
    #expect(error?.isRetryable == true)
  }

  @Test(arguments: ["", "not a url", "ftp://example.com", "http://"])
  func aWrongBaseIsSaidSo(base: String) async throws {
    let client = TerraClient(configuration: .init(developerID: "d", apiKey: "k", apiBaseURL: base))
    let error = await #expect(throws: TerraAPIError.self) { try await client.userInfo(userID: "u") }
    #expect(error?.code == .invalidRequest)
    #expect(error?.isProvenUnsent == true)
  }

  @Test func aKeyThatNoHeaderCanHoldIsSaidSo() async throws {
    let requests = try await FakeTerra.answering({ _ in .json("[]") }) { client in
      var configuration = client.configuration
      configuration.apiKey = "a\r\nx: y"
      let wrong = TerraClient(configuration: configuration)
      let error = await #expect(throws: TerraAPIError.self) { try await wrong.userInfo(referenceID: "r") }
      #expect(error?.code == .invalidRequest)
      #expect(error.map { !String(reflecting: $0).contains("x: y") } == true)
    }
    #expect(requests.isEmpty)
  }

  @Test func cancellationIsPassedOn() async throws {
    try await FakeTerra.misbehaving(writing: "", closes: false) { port in
      let client = TerraClient(configuration: FakeTerra.configuration(port: port))
      let task = Task { try await client.userInfo(userID: "u") }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }
}

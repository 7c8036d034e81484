/// Problems as JSON (RFC 9457): `Problem`.
enum ProblemSchemas {
  /// The shape of a problem with one of these codes.
  static func problem(_ codes: [ProblemCode]) -> APISchema {
    .object([
      .required("type", .text(), "`urn:connection-registry:problem:` and the code."),
      .required("title", .text(), "The status's name."),
      .required("status", .integer(400...599), "The status."),
      .required("code", .choice(codes.map(\.code)), "What kind of problem it is; compare this."),
      .required("detail", .text(), "What was wrong and what would be right, for people; may change."),
      .optional("field", .text(), "The member of body, query or path that was wrong."),
      .optional("request_id", .text(), "The request's id, for whoever reports the problem."),
    ])
  }
}

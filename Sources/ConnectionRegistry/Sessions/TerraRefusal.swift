import RegistryTerra

/// What became of a call to Terra that gave no usable answer: whose fault it is, and what to do.
struct TerraRefusal: Sendable {
  /// What the caller is told.
  let problem: RegistryError
  /// Whether the same request may be made again under its `Idempotency-Key`.
  let mayRepeat: Bool
  /// The status of Terra's answer.
  let httpStatus: Int?

  /// - Parameters:
  ///   - error: why there is no answer.
  ///   - namesResource: whether the request named a resource, and can be at fault with it.
  init(_ error: TerraAPIError, namesResource: Bool = true) {
    httpStatus = error.httpStatus
    mayRepeat = error.isRetryable && !error.isUserLimit
    let code = Self.code(of: error)
    problem = RegistryError(
      code, "\(error); \(Self.advice(code, error, namesResource: namesResource))", retryAfter: error.retryAfter)
  }

  private static func code(of error: TerraAPIError) -> RegistryError.Code {
    if error.isUserLimit { return .terraUserLimit }
    return switch error.code {
    case .badRequest, .notFound: .terraRequestRefused
    case .unauthorized, .forbidden: .terraCredentialsRefused
    case .gone: .terraEndpointRetired
    case .rateLimited: .terraRateLimited
    case .timedOut: .terraTimedOut
    case .serverError where error.isHTML && error.endpoint.contains("idget"): .terraNotSetUp
    case .serverError, .unreachable, .connectionLost: .terraUnavailable
    case .redirected, .unreadableReply, .replyTooLarge, .invalidRequest: .terraAnswerUnusable
    default: .terraRefused
    }
  }

  private static func advice(_ code: RegistryError.Code, _ error: TerraAPIError, namesResource: Bool) -> String {
    switch code {
    case .terraUserLimit:
      "the environment holds as many connections as it may (50 outside production): deauthenticate some, or use the "
        + "production environment"
    case .terraRequestRefused:
      namesResource ? "check the resource's spelling, and that it is enabled at Terra" : "check the request"
    case .terraCredentialsRefused: "check the tenant's dev-id and Terra API key, which belong to one environment"
    case .terraEndpointRetired: "set the tenant's widget URL to the newer endpoint"
    case .terraRateLimited: "try again later"
    case .terraNotSetUp:
      "Terra answers so where no provider is enabled in the environment: enable one, or try again later"
    case .terraTimedOut, .terraUnavailable:
      "it is not the request's fault: try again (over HTTP with the same Idempotency-Key)"
    case .terraAnswerUnusable: "check the tenant's URLs of Terra"
    default: "see Terra's status"
    }
  }
}

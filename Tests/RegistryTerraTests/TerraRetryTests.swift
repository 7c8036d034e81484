@testable import RegistryTerra
import Testing

@Suite struct TerraRetryTests {
  private static func pause(
    _ code: TerraAPIError.Code, tries: Int = 1, isRepeatable: Bool = false, left: Duration = .seconds(10),
    retryAfter: Duration? = nil, random: Double = 1, message: String? = nil
  ) -> Duration? {
    TerraRetry().pause(
      after: TerraAPIError(code, endpoint: "POST /x", retryAfter: retryAfter, message: message), tries: tries,
      isRepeatable: isRepeatable, left: left, random: random)
  }

  /// What may have been carried out is repeated only where that changes nothing.
  @Test(arguments: [
    (TerraAPIError.Code.unreachable, true, true), (.rateLimited, true, true), (.serverError, false, true),
    (.timedOut, false, true), (.connectionLost, false, true), (.badRequest, false, false),
    (.unauthorized, false, false), (.forbidden, false, false), (.notFound, false, false), (.gone, false, false),
    (.redirected, false, false), (.unreadableReply, false, false), (.invalidRequest, false, false),
  ])
  func onlyWhatIsSafeIsRepeated(_ code: TerraAPIError.Code, _ ofAnAct: Bool, _ ofALook: Bool) {
    #expect((Self.pause(code) != nil) == ofAnAct)
    #expect((Self.pause(code, isRepeatable: true) != nil) == ofALook)
  }

  @Test func pausesGrowWithJitterAndEnd() {
    #expect(Self.pause(.unreachable, random: 0) == .milliseconds(100))
    #expect(Self.pause(.unreachable, random: 1) == .milliseconds(200))
    #expect(Self.pause(.unreachable, tries: 2, random: 1) == .milliseconds(400))
    #expect(Self.pause(.unreachable, tries: 3) == nil)
  }

  @Test func theDeadlineAndTerrasOwnWishCount() {
    #expect(Self.pause(.rateLimited, retryAfter: .seconds(3), random: 0) == .seconds(3))
    #expect(Self.pause(.rateLimited, left: .seconds(3), retryAfter: .seconds(3)) == nil)
    #expect(Self.pause(.unreachable, left: .milliseconds(300)) == nil)
  }

  @Test func theLimitOfConnectionsIsNotWaitedFor() {
    #expect(Self.pause(.rateLimited, isRepeatable: true, message: "User Limit Reached") == nil)
  }
}

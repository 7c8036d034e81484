import Foundation
import RegistryTerra

/// What became of one attempt.
enum DeliveryOutcome: Sendable, Hashable {
  /// The endpoint answered with a status of the two hundreds.
  case delivered(status: Int)
  case failed(DeliveryFailure)
}

/// Why an attempt failed.
struct DeliveryFailure: Sendable, Hashable {
  /// A stable word for the kind of failure.
  enum Reason: String, Sendable {
    /// The endpoint answered with another status.
    case status
    /// It answered 410: it is gone for good.
    case gone
    /// It answered too late or not at all.
    case timedOut = "timed_out"
    /// No connection could be made.
    case unreachable
    /// Its certificate or its TLS cannot be accepted.
    case tls
    /// What came back is not HTTP.
    case notHTTP = "not_http"
    /// The connection was lost before an answer.
    case connectionLost = "connection_lost"
    /// Its host has no address.
    case hostUnresolved = "host_unresolved"
    /// Its host has an address that deliveries may not go to.
    case addressRefused = "address_refused"
    /// Its URL can no longer be called.
    case invalidURL = "invalid_url"
  }

  var reason: Reason
  var status: Int?
  /// How long the endpoint asked to be left alone.
  var retryAfter: Duration?

  init(_ reason: Reason, status: Int? = nil, retryAfter: Duration? = nil) {
    self.reason = reason
    self.status = status
    self.retryAfter = retryAfter
  }
}

extension DeliveryOutcome {
  /// The least and the most of a `Retry-After` that is followed.
  static let retryAfterBounds: ClosedRange<Duration> = .seconds(1)...(.seconds(3_600))

  /// Reads an answer; redirects are failures as any other status.
  ///
  /// - Parameters:
  ///   - status: the answer's status.
  ///   - retryAfter: its `Retry-After`, in seconds or as a date; followed for 429 and 503.
  ///   - now: the time, for a date.
  init(status: Int, retryAfter: String?, now: Date) {
    switch status {
    case 200..<300: self = .delivered(status: status)
    case 410: self = .failed(DeliveryFailure(.gone, status: status))
    case 429, 503:
      self = .failed(
        DeliveryFailure(.status, status: status, retryAfter: retryAfter.flatMap { Self.pause($0, now: now) }))
    default: self = .failed(DeliveryFailure(.status, status: status))
    }
  }

  private static func pause(_ text: String, now: Date) -> Duration? {
    let seconds: Double
    if !text.isEmpty, text.utf8.count <= 10, text.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Double(text) {
      seconds = number
    } else if let date = HTTPDate.seconds(of: text) {
      seconds = Double(date) - now.timeIntervalSince1970
    } else {
      return nil
    }
    return min(max(.seconds(seconds), retryAfterBounds.lowerBound), retryAfterBounds.upperBound)
  }
}

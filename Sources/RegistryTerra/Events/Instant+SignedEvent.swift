public import RegistryModel

extension Instant {
  /// The instant of a signed event.
  ///
  /// The ordering timestamp stands outside the signature, so it counts only where it is not later than the signed
  /// second allows; without it the event takes the last microsecond of its signed second. An older timestamp than the
  /// true one can only make a fact count less, and facts join by their greatest key.
  ///
  /// - Parameters:
  ///   - t: the signed time, in whole seconds since 1970; any number, what does not fit is clamped.
  ///   - orderingTimestampMilliseconds: `X-Terra-Ordering-Timestamp`, in milliseconds since 1970, when it is there.
  /// - Returns: the instant, in microseconds.
  public static func ofSignedEvent(t: Int64, orderingTimestampMilliseconds: Int64?) -> Instant {
    if let milliseconds = orderingTimestampMilliseconds, milliseconds >= 0, milliseconds / 1_000 <= t {
      return Instant(millisecondsSince1970: milliseconds)
    }
    return Instant(secondsSince1970: t).advanced(by: .microseconds(999_999))
  }

  /// Reads a header `X-Terra-Ordering-Timestamp`.
  ///
  /// - Parameter headerValue: the header's value, white space around it allowed.
  /// - Returns: milliseconds since 1970; nil when the header is absent or not 1 to 18 decimal digits.
  public static func orderingTimestampMilliseconds(headerValue: String?) -> Int64? {
    guard let headerValue else { return nil }
    return DecimalDigits.value(of: HeaderText.trimmed(headerValue[...]))
  }
}

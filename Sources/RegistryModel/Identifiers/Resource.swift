/// A provider as Terra spells it (`FITBIT`), in upper case: an open set, compared without regard to case.
///
/// Terra's payloads call it `provider`, its queries and redirects `resource`.
public struct Resource: TextIdentifier, CustomStringConvertible {
  /// The name of the identifier, as it is spelt in payloads and settings.
  public static let subject = "resource"
  /// The longest text, in bytes of UTF-8.
  public static let maximumBytes = 256

  /// The text.
  public let rawValue: String

  /// - Parameter text: 1 to 256 bytes of UTF-8 without NUL; the letters a–z are made upper case, all else is kept.
  /// - Throws: ``InvalidValue`` when the text is empty, too long or holds NUL.
  public init(_ text: String) throws(InvalidValue) {
    try InvalidValue.check(text, subject: Self.subject, limit: Self.maximumBytes)
    self.init(upperCasing: text)
  }

  // Only ASCII is folded: full Unicode folding differs between Swift and a database, and no provider needs it.
  private init(upperCasing text: String) {
    let isFolded = !text.utf8.contains { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
    rawValue = isFolded ? text : String(decoding: text.utf8.map(Self.upperCased), as: UTF8.self)
  }

  private static func upperCased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) ? byte - 32 : byte
  }

  /// Apple Health, on the device only.
  public static let apple = Resource(upperCasing: "APPLE")
  /// Dexcom.
  public static let dexcom = Resource(upperCasing: "DEXCOM")
  /// Fitbit.
  public static let fitbit = Resource(upperCasing: "FITBIT")
  /// Garmin.
  public static let garmin = Resource(upperCasing: "GARMIN")
  /// Google Fit.
  public static let google = Resource(upperCasing: "GOOGLE")
  /// Oura.
  public static let oura = Resource(upperCasing: "OURA")
  /// Polar.
  public static let polar = Resource(upperCasing: "POLAR")
  /// Samsung Health, on the device only.
  public static let samsung = Resource(upperCasing: "SAMSUNG")
  /// Strava.
  public static let strava = Resource(upperCasing: "STRAVA")
  /// Suunto.
  public static let suunto = Resource(upperCasing: "SUUNTO")
  /// Whoop.
  public static let whoop = Resource(upperCasing: "WHOOP")
  /// Withings.
  public static let withings = Resource(upperCasing: "WITHINGS")

  /// The text.
  public var description: String { rawValue }
}

extension Resource {
  package static let onPhonesOnly: Set<String> = [
    "APPLE", "APPLE_HEALTH", "SAMSUNG", "GOOGLEFIT", "GOOGLE_FIT", "HEALTH_CONNECT", "FREESTYLELIBRESDK", "WEAROS",
  ]

  /// Whether only an app on a phone can connect it, as far as Terra's documentation names such providers (reference of
  /// the Android SDK, supported integrations).
  public var isMobileOnly: Bool { Self.onPhonesOnly.contains(rawValue) }
}

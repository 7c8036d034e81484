/// The providers that the sandbox knows, spelt as Terra spells them.
public enum ProviderCatalogue {
  /// Providers with a login of their own.
  public static let web = [
    "COROS", "CRONOMETER", "DECATHLON", "DEXCOM", "EIGHT", "FATSECRET", "FITBIT", "FREESTYLELIBRE", "GARMIN",
    "GOOGLE", "HAMMERHEAD", "HUAWEI", "IFIT", "KOMOOT", "OMRON", "OURA", "PELOTON", "POLAR", "RENPHO",
    "RIDEWITHGPS", "STRAVA", "SUUNTO", "TRAININGPEAKS", "UNDERARMOUR", "WAHOO", "WHOOP", "WITHINGS", "ZWIFT",
  ]

  /// Providers that only an app on a phone can connect.
  public static let mobileOnly = ["APPLE", "GOOGLEFIT", "SAMSUNG"]

  /// Another provider than the one given, always the same for the same draw.
  static func other(than resource: String, plan: AttemptPlan) -> String {
    plan.choose("another resource", from: self.web.filter { $0 != resource }) ?? "GARMIN"
  }
}

import RegistryPostgres

/// Whether a connection's absence from a complete listing of Terra's may count against it.
///
/// A listing can be whole by its own account and wrong all the same: cut short, of another environment, or read while
/// pages moved. What such a listing does not hold must not end anything.
struct ListingAssessment: Sendable, Hashable {
  /// How many connections Terra listed.
  var listed: Int
  /// How many live connections, older than the listing, it could hold.
  var live: Int
  /// How many of these a signed webhook has spoken of. The others are alive by Terra's answers alone, which may have been
  /// given for the key of another environment.
  var signed: Int
  /// How many of the live ones it does hold.
  var known: Int
  /// How many of the signed ones it does hold.
  var confirmed: Int
  /// How many of the live ones it does not hold.
  var absentOnce: Int
  /// How many of the live ones neither it nor the complete listing before it holds.
  var absentTwice: Int
  /// How many complete listings there were before.
  var listingsBefore: Int

  /// Why absence does not count.
  enum Doubt: Sendable, Hashable {
    /// Nothing to compare with yet.
    case firstListing
    /// Not one of the live connections that are signed, or of all, is listed: the key may be that of another environment.
    case nothingConfirmed
    /// No signed webhook has spoken of any live connection: nothing shows whose listing it is.
    case nothingSigned
    /// More are absent than end in the course of things.
    case tooManyAbsent(Int, limit: Int)

    /// The doubt in a sentence for a person.
    var sentence: String {
      switch self {
      case .firstListing:
        "This is the first complete listing: what is absent from it is looked at again with the next one."
      case .nothingConfirmed:
        "Terra's listing holds none of the live connections that signed events speak of: nothing is ended. Check that the "
          + "tenant's Terra API key and dev-id belong to this environment."
      case .nothingSigned:
        "No signed event has spoken of a live connection yet, so nothing shows that Terra's listing is this environment's: "
          + "absence from it ends nothing until one has. `registry connection deauthenticate` ends a single connection."
      case .tooManyAbsent(let count, let limit):
        "\(count) live connections are absent from Terra's listing, more than the \(limit) that may end without a person "
          + "looking: nothing is ended."
      }
    }
  }

  /// How many connections may be absent before that is taken for a fault of the listing: 10, or 5 % of the signed ones.
  var blastRadius: Int { max(10, signed / 20) }

  /// Why absence does not count; nil where it does.
  var doubt: Doubt? {
    if live > 0, known == 0 { return .nothingConfirmed }
    if signed > 0, confirmed == 0 { return .nothingConfirmed }
    if live > 0, signed == 0 { return .nothingSigned }
    if absentOnce > blastRadius { return .tooManyAbsent(absentOnce, limit: blastRadius) }
    if listingsBefore == 0 { return .firstListing }
    return nil
  }
}

extension ListingAssessment {
  /// Reads what `provider_listing_assess` says of a slice of ids.
  init(row: PostgresRow) throws {
    self.init(
      listed: try row.decode("listed"), live: try row.decode("live"), signed: try row.decode("signed"),
      known: try row.decode("known"), confirmed: try row.decode("confirmed"), absentOnce: try row.decode("absent_once"),
      absentTwice: try row.decode("absent_twice"), listingsBefore: try row.decode("listings_before"))
  }

  /// The same of two slices of ids that share none.
  static func + (one: ListingAssessment, other: ListingAssessment) -> ListingAssessment {
    ListingAssessment(
      listed: one.listed + other.listed, live: one.live + other.live, signed: one.signed + other.signed,
      known: one.known + other.known, confirmed: one.confirmed + other.confirmed,
      absentOnce: one.absentOnce + other.absentOnce, absentTwice: one.absentTwice + other.absentTwice,
      listingsBefore: max(one.listingsBefore, other.listingsBefore))
  }
}

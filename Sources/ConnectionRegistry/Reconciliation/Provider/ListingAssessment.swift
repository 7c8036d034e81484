/// Whether a connection's absence from a complete listing of Terra's may count against it.
///
/// A listing can be whole by its own account and wrong all the same: cut short, of another environment, or read while
/// pages moved. What such a listing does not hold must not end anything.
struct ListingAssessment: Sendable, Hashable {
  /// How many connections Terra listed.
  var listed: Int
  /// How many live connections, older than the listing, it could hold.
  var live: Int
  /// How many of these it does hold.
  var confirmed: Int
  /// How many of these it does not hold.
  var absentOnce: Int
  /// How many of these neither it nor the complete listing before it holds.
  var absentTwice: Int
  /// How many complete listings there were before.
  var listingsBefore: Int

  /// Why absence does not count.
  enum Doubt: Sendable, Hashable {
    /// Nothing to compare with yet.
    case firstListing
    /// Not one of the live connections is listed: the key may be that of another environment.
    case nothingConfirmed
    /// More are absent than end in the course of things.
    case tooManyAbsent(Int, limit: Int)

    /// The doubt in a sentence for a person.
    var sentence: String {
      switch self {
      case .firstListing:
        "This is the first complete listing: what is absent from it is looked at again with the next one."
      case .nothingConfirmed:
        "Terra's listing holds none of the live connections: nothing is ended. Check that the tenant's Terra API key and "
          + "dev-id belong to this environment."
      case .tooManyAbsent(let count, let limit):
        "\(count) live connections are absent from Terra's listing, more than the \(limit) that may end without a person "
          + "looking: nothing is ended."
      }
    }
  }

  /// How many connections may be absent before that is taken for a fault of the listing: 10, or 5 % of the live ones.
  var blastRadius: Int { max(10, live / 20) }

  /// Why absence does not count; nil where it does.
  var doubt: Doubt? {
    if live > 0, confirmed == 0 { return .nothingConfirmed }
    if absentOnce > blastRadius { return .tooManyAbsent(absentOnce, limit: blastRadius) }
    if listingsBefore == 0 { return .firstListing }
    return nil
  }
}

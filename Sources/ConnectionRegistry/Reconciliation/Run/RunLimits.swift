/// How much a run takes on at a time, and how long it waits for what may take long.
struct RunLimits: Sendable, Hashable {
  /// How many of the findings that stand a run since the last one looks at anew, whatever the facts say. They lie anywhere
  /// in the history, which the server's memory may not hold: each can cost several reads from the disk.
  var standing = 100
  /// After how long a statement that screens is broken off, and done in smaller parts.
  var screening: Duration = .seconds(5)
  /// About how many rows a part of an index has, where the whole takes too long.
  var indexPart = 1_000_000
  /// With how many ids a slice begins when a listing that is read to its end is held against the connections.
  var listingSlice = 20_000
  /// How long the whole table `terra_users` may take a run of the schedule: less than a lease, for nothing renews it while
  /// the other database says nothing.
  var terraUsers: Duration = .seconds(60)
}

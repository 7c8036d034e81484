/// How a webhook was taken, and how it is to be answered.
public struct WebhookAnswer: Sendable, Hashable {
  /// What became of a delivery.
  public enum Disposition: String, Sendable, Hashable, CaseIterable {
    /// A new event, durable.
    case accepted
    /// A further delivery of an event.
    case duplicate
    /// Verified and about data: only its connection's `last_data_at` was kept.
    case data
    /// Authentic and about somebody who was erased: nothing is kept.
    case erased
    /// Authentic, but signed too long ago or in the future: kept as a receipt.
    case quarantined
    /// Authentic and about an authentication, of an unknown type: kept as a receipt.
    case unknownType = "unknown_type"
    /// Authentic, but its shape cannot be read: kept as a receipt.
    case unreadable
    /// The signature does not hold, or the tenant does not exist.
    case rejected
    /// Larger than may be.
    case tooLarge = "too_large"
  }

  /// What became of the delivery.
  public let disposition: Disposition

  /// The HTTP status to answer with.
  public var status: Int {
    switch disposition {
    case .accepted, .duplicate, .data, .erased, .quarantined, .unknownType, .unreadable: 200
    case .rejected: 401
    case .tooLarge: 413
    }
  }
}

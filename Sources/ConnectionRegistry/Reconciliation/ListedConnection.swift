public import Foundation
import RegistryPostgres

/// What a listing of Terra's said of one connection.
public struct ListedConnection: Sendable, Hashable, Codable {
  /// Where a listing comes from.
  public enum Source: String, Sendable, Hashable, CaseIterable, Codable {
    /// Terra's API.
    case api
    /// A copy of Terra's table `terra_users`, which proves no absence.
    case terraUsers = "terra_users"
  }

  /// The listing.
  public var listingID: UUID
  /// Where it comes from.
  public var source: Source
  /// The moment before Terra was asked: for the page that holds the connection, else for the first one.
  public var askedAt: Date
  /// The connection.
  public var userID: String
  /// Whether the listing holds it; nil where it is not kept any more: the last two complete ones are.
  public var isListed: Bool?
  /// Whether it holds the connection several times, in different ways: what follows is the first of them.
  public var isConflicting: Bool
  /// The app user whom Terra names.
  public var referenceID: String?
  /// The resource, as Terra spells it.
  public var resource: String?
  /// The scopes granted, separated by commas.
  public var scopes: String?
  /// Whether Terra takes in data for it.
  public var isActive: Bool?
}

extension ListedConnection {
  init(row: PostgresRow) throws {
    self.init(
      listingID: try row.decode("listing_id"), source: try row.decode("is_copy") ? .terraUsers : .api,
      askedAt: try row.decode("asked_at"), userID: try row.decode("user_id"),
      isListed: try row.decodeIfPresent("is_listed"), isConflicting: try row.decode("conflicting"),
      referenceID: try row.decodeIfPresent("reference_id"), resource: try row.decodeIfPresent("resource"),
      scopes: try row.decodeIfPresent("scopes"), isActive: try row.decodeIfPresent("active"))
  }
}

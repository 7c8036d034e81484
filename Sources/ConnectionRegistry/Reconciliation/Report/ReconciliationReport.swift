public import Foundation
public import RegistryModel

/// How a tenant's channels agree: how far sessions came, what stands, how long events took.
public struct ReconciliationReport: Sendable, Hashable, Codable {
  /// How far the sessions of one resource came.
  public struct Funnel: Sendable, Hashable, Codable {
    /// The provider; nil where a widget's session was never confirmed.
    public var resource: String?
    /// How many sessions were opened.
    public var sessions: Int64
    /// How many browsers came back with success.
    public var returned: Int64
    /// How many a signed event confirmed.
    public var confirmed: Int64
    /// How many connections of them are alive now.
    public var live: Int64
  }

  /// How many findings of one kind and age stand.
  public struct Standing: Sendable, Hashable, Codable {
    /// The kind.
    public var kind: FindingKind
    /// How bad the kind is.
    public var severity: FindingSeverity
    /// How old they are.
    public var age: FindingAge
    /// How many there are.
    public var count: Int64
  }

  /// How many findings repairs have tried and left open for one reason.
  public struct Left: Sendable, Hashable, Codable {
    /// The kind.
    public var kind: FindingKind
    /// Why, in a sentence for a person.
    public var reason: String
    /// How many there are.
    public var count: Int64
    /// When one was last tried.
    public var lastAt: Date
  }

  /// How long after the browser's return the event was recorded; below zero where the event came first.
  public struct Latency: Sendable, Hashable, Codable {
    /// How many lie between two bounds.
    public struct Bucket: Sendable, Hashable, Codable {
      /// The least, in seconds; nil is without bound.
      public var fromSeconds: Double?
      /// The first that is too great, in seconds; nil is without bound.
      public var belowSeconds: Double?
      /// How many there are.
      public var count: Int64
    }

    /// How many sessions had both.
    public var count: Int64
    /// The median in seconds; nil without any.
    public var p50Seconds: Double?
    /// What nine of ten stay below, in seconds.
    public var p90Seconds: Double?
    /// What 99 of 100 stay below, in seconds.
    public var p99Seconds: Double?
    /// How they spread, without a gap.
    public var buckets: [Bucket]
  }

  /// What became of one kind of finding between two runs.
  public struct Comparison: Sendable, Hashable, Codable {
    /// The kind.
    public var kind: FindingKind
    /// How many stand now and did not then.
    public var new: Int64
    /// How many stood then and stand now.
    public var persisting: Int64
    /// How many stood then and do not now.
    public var resolved: Int64
  }

  /// The tenant's slug.
  public var tenant: String
  /// From when on sessions count.
  public var since: Date
  /// When the report was made.
  public var madeAt: Date
  /// The run it is about; nil where none is complete.
  public var run: ReconciliationRun?
  /// The run it is compared with.
  public var comparedWith: ReconciliationRun?
  /// How far sessions came, by resource.
  public var funnel: [Funnel]
  /// The findings that stand now, but for those of operators.
  public var findings: [Standing]
  /// What repairs have tried and left open, and why.
  public var left: [Left]
  /// How long events took.
  public var latency: Latency
  /// What changed between the two runs, by kind; nil without a run to compare with.
  public var comparison: [Comparison]?
}

import Foundation

/// The account of what happened, kept in memory and, where a file is given, on disk as ndjson.
///
/// It is the truth that a registry's findings are held against, so it is written by the sandbox and the browser
/// themselves, at the moment when they see a thing.
public actor SandboxLedger {
  private var all: [LedgerRecord] = []
  private var acknowledged: [String: Double] = [:]
  private var live: [String: [String: LedgerRecord.Connection]] = [:]
  private let file: FileHandle?

  /// Creates an empty ledger.
  ///
  /// - Parameter path: a file that gets every record as one line of JSON at once; an existing file is emptied. Nil
  ///   keeps the ledger in memory only.
  /// - Throws: `CocoaError` when the file cannot be written.
  public init(path: String? = nil) throws {
    guard let path else {
      self.file = nil
      return
    }
    try Data().write(to: URL(fileURLWithPath: path))
    self.file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
  }

  /// Creates an empty ledger in memory.
  public init() {
    self.file = nil
  }

  /// Adds a record.
  ///
  /// - Parameter record: what happened.
  public func append(_ record: LedgerRecord) {
    self.all.append(record)
    switch record {
    case .delivery(let delivery):
      if let status = delivery.status, (200..<300).contains(status), self.acknowledged[delivery.emissionID] == nil {
        self.acknowledged[delivery.emissionID] = delivery.at
      }
    case .connection(let connection):
      self.live[connection.tenant, default: [:]][connection.userID] = connection.isLive ? connection : nil
    default: break
    }
    // A ledger on a full disk is cut short; the one in memory stays whole.
    try? self.file?.write(contentsOf: Data((record.json + "\n").utf8))
  }

  /// Every record so far, in the order of arrival.
  public func records() -> [LedgerRecord] { self.all }

  /// Every record so far, one JSON object a line.
  public func ndjson() -> String {
    self.all.map { $0.json + "\n" }.joined()
  }

  /// Writes every record so far to a file, one JSON object a line.
  ///
  /// - Parameter path: the file; replaced when it exists.
  /// - Throws: `CocoaError` when the file cannot be written.
  public func export(to path: String) throws {
    try Data(self.ndjson().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// The moment of each emission's first 2xx, in seconds since 1970, by emission id.
  public func firstSuccesses() -> [String: Double] { self.acknowledged }

  /// The connections of a tenant that live at Terra at this moment.
  ///
  /// - Parameter tenant: the environment's slug.
  /// - Returns: the records with which they began or last changed, sorted by `user_id`.
  public func liveConnections(tenant: String) -> [LedgerRecord.Connection] {
    (self.live[tenant] ?? [:]).values.sorted { $0.userID < $1.userID }
  }

  /// How long each answered try took, in seconds, in the order of arrival.
  ///
  /// - Parameter tenant: one environment; nil for all.
  /// - Returns: seconds.
  public func latencies(tenant: String? = nil) -> [Double] {
    self.all.compactMap { record in
      guard case .delivery(let delivery) = record, delivery.status != nil else { return nil }
      return tenant == nil || tenant == delivery.tenant ? delivery.latencySeconds : nil
    }
  }
}

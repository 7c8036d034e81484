import TerraSandbox

/// The counts and times of a demo, from the sandbox's ledger.
struct DemoFigures: Sendable, Hashable {
  /// Sessions that the registry opened.
  var sessions = 0
  /// Webhooks that Terra emitted, copies not counted.
  var webhooks = 0
  /// Webhooks that were never sent.
  var dropped = 0
  /// Tries to deliver a webhook, copies included.
  var tries = 0
  /// Webhooks that were answered with 2xx, copies not counted.
  var accepted = 0
  /// Answers with 2xx to what had been accepted before.
  var duplicates = 0
  /// Tries that were answered with 401.
  var rejected = 0
  /// Tries that found nobody, broke off, or were answered with 5xx.
  var unanswered = 0
  /// Browsers that arrived at the registry, reloads included.
  var callbacks = 0
  /// Browsers that were sent on to the team's app.
  var sentOn = 0
  /// Browsers that got the plain page for an unknown token.
  var turnedAway = 0
  /// Arrivals that nobody answered.
  var unansweredCallbacks = 0
  /// The time of the webhook's answer within which half of them were given, in seconds.
  var webhookMedian = 0.0
  /// The time of the webhook's answer within which 99 of 100 were given, in seconds.
  var webhookP99 = 0.0

  /// Counts.
  ///
  /// - Parameter records: the ledger.
  init(_ records: [LedgerRecord]) {
    var latencies: [Double] = []
    var original: [String: String] = [:]
    var acknowledged: Set<String> = []
    for case .emission(let emission) in records {
      original[emission.emissionID] = emission.duplicateOf ?? emission.emissionID
      if emission.duplicateOf == nil { self.webhooks += 1 }
      if emission.isDropped { self.dropped += 1 }
    }
    for record in records {
      switch record {
      case .session: self.sessions += 1
      case .delivery(let delivery):
        self.tries += 1
        switch delivery.status {
        case .some(200..<300):
          latencies.append(delivery.latencySeconds)
          let isFirst = acknowledged.insert(original[delivery.emissionID] ?? delivery.emissionID).inserted
          if isFirst { self.accepted += 1 } else { self.duplicates += 1 }
        case 401: self.rejected += 1
        default: self.unanswered += 1
        }
      case .callback(let callback):
        self.callbacks += 1
        switch callback.status {
        case 303: self.sentOn += 1
        case .some(400..<500): self.turnedAway += 1
        default: self.unansweredCallbacks += 1
        }
      default: break
      }
    }
    latencies.sort()
    self.webhookMedian = Self.quantile(0.5, of: latencies)
    self.webhookP99 = Self.quantile(0.99, of: latencies)
  }

  /// The value that a part of the sorted values does not exceed (nearest rank); 0 where there is none.
  static func quantile(_ part: Double, of sorted: [Double]) -> Double {
    guard !sorted.isEmpty else { return 0 }
    let rank = Int((part * Double(sorted.count)).rounded(.up))
    return sorted[min(sorted.count, max(1, rank)) - 1]
  }
}

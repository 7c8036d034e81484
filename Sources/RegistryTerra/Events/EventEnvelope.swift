public import RegistryModel

/// One event of Terra's as a queue or a store hands it on: `{"emitted_at": …, "event": …}`.
///
/// It carries no signature; whoever may write to the channel is trusted.
public struct EventEnvelope: Sendable {
  /// When it was sent, as the channel says; nil where it does not.
  public let emittedAt: Instant?
  /// The event.
  public let event: TerraEvent
  /// The event's own JSON, compact and with its members sorted: the same event gives the same bytes.
  public let body: [UInt8]

  /// Reads one envelope.
  ///
  /// - Parameter line: the JSON of the envelope.
  /// - Returns: the envelope.
  /// - Throws: ``TerraEventError``: `notJSON`; `missing` for an absent `event`; `wrongType` for an `emitted_at` that is no
  ///   RFC 3339 time with a zone; and as ``TerraEvent/decode(_:)``.
  public static func decode(_ line: some Sequence<UInt8>) throws(TerraEventError) -> EventEnvelope {
    let document: JSONValue
    do {
      document = try JSONParser.parse(line)
    } catch {
      throw TerraEventError(error)
    }
    let fields = try JSONFields(document)
    var emittedAt: Instant?
    if let text = try fields.text("emitted_at") {
      guard let instant = Instant(rfc3339: text) else {
        throw TerraEventError(
          .wrongType, field: "emitted_at", problem: "must be a time with a zone, as in 2026-01-01T00:00:00Z")
      }
      emittedAt = instant
    }
    guard let event = document["event"], event != .null else {
      throw TerraEventError(.missing, field: "event", problem: "is missing: it holds what Terra sent")
    }
    return EventEnvelope(
      emittedAt: emittedAt, event: try TerraEvent.decode(event), body: event.bytes)
  }
}

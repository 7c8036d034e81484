import Foundation
import Logging
import RegistryModel
import RegistryTerra

/// What became of the events of a trusted channel.
public struct EventIngest: Sendable, Hashable, Codable {
  /// A line that could not be taken in.
  public struct Refusal: Sendable, Hashable, Codable {
    /// The line's number, from 1.
    public var line: Int
    /// Why, with the name of the field and without its value.
    public var reason: String
  }

  /// How many lines were read, empty ones left out.
  public var lines = 0
  /// How many became events.
  public var accepted = 0
  /// How many were known before.
  public var duplicates = 0
  /// How many were about data, which is not stored; they move `last_data_at`.
  public var data = 0
  /// How many are about somebody who was erased: nothing of them is kept.
  public var erased = 0
  /// How many are of a type that the registry does not act upon.
  public var ignored = 0
  /// How many could not be taken in.
  public var refused = 0
  /// The first of these, at most ``maximumRefusals``.
  public var refusals: [Refusal] = []

  /// How many refusals are told one by one.
  public static let maximumRefusals = 100

  mutating func refuse(line: Int, _ reason: String) {
    refused += 1
    if refusals.count < Self.maximumRefusals { refusals.append(Refusal(line: line, reason: reason)) }
  }
}

extension Webhooks {
  /// The largest line of ``ingest(tenant:channel:by:lines:)``, in bytes.
  public static let maximumEnvelopeBytes = 1 << 20

  /// Takes in the events of a trusted channel, such as a queue that Terra writes to: one envelope
  /// `{"emitted_at": …, "event": …}` a line.
  ///
  /// The envelope's own time orders an event among the others; without one it comes before all that are signed. An event
  /// that comes again, or also as a webhook, changes nothing more. A line that cannot be read is told and left out; the
  /// others are taken in.
  ///
  /// - Parameters:
  ///   - tenant: the slug of the tenant that all lines belong to, whatever they say.
  ///   - channel: what the channel is called, 1 to 32 of `a-z 0-9 - _`; events show it as `trusted:<channel>`.
  ///   - actor: who brings them, for the audit.
  ///   - lines: the envelopes, one a line.
  /// - Returns: what became of them.
  /// - Throws: `tenant_unknown`, `invalid_request` for the channel's name, `database_unavailable` (what was counted before
  ///   is durable, and may be sent again), or what the lines throw.
  public func ingest<Lines: AsyncSequence>(
    tenant: String, channel: String, by actor: String, lines: Lines
  ) async throws -> EventIngest where Lines.Element == String {
    let name = channel.utf8
    guard (1...32).contains(name.count),
      name.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F })
    else { throw RegistryError.invalid("channel", "1 to 32 of a-z, 0-9, - and _, such as sqs or s3-archive") }
    let entry = try await directory.require(tenant)
    var ingest = EventIngest()
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await take(lines, channel: "trusted:\(channel)", entry.tenant, into: &ingest))
    } catch {
      outcome = .failure(error)
    }
    // In a task of its own: what is durable is written down, also where the lines broke off.
    let audit = AuditEntry(
      actor: actor, action: "event.ingest", subject: channel,
      detail: ["lines": "\(ingest.lines)", "accepted": "\(ingest.accepted)", "refused": "\(ingest.refused)"])
    let written = await Task { [database] in
      _ = try await database.run(entry.tenant.id, audit.statement(tenantID: entry.tenant.id))
    }.result
    logger.info(
      "events of a trusted channel taken in",
      metadata: [
        "tenant": "\(tenant)", "channel": "\(channel)", "lines": "\(ingest.lines)", "accepted": "\(ingest.accepted)",
        "refused": "\(ingest.refused)",
      ])
    try outcome.get()
    try written.get()
    return ingest
  }

  private func take<Lines: AsyncSequence>(
    _ lines: Lines, channel: String, _ tenant: Tenant, into ingest: inout EventIngest
  ) async throws where Lines.Element == String {
    var number = 0
    for try await line in lines {
      number += 1
      guard !line.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) else { continue }
      ingest.lines += 1
      guard line.utf8.count <= Self.maximumEnvelopeBytes else {
        ingest.refuse(line: number, "the line has more than \(Self.maximumEnvelopeBytes) bytes")
        continue
      }
      do {
        let envelope = try EventEnvelope.decode(line.utf8)
        switch try await take(envelope, channel: channel, tenant) {
        case .accepted: ingest.accepted += 1
        case .duplicate: ingest.duplicates += 1
        case .data: ingest.data += 1
        case .erased: ingest.erased += 1
        default: ingest.ignored += 1
        }
      } catch let error as TerraEventError {
        ingest.refuse(line: number, "\(error)")
      } catch let error as RegistryError where error.code == .invalidRequest {
        ingest.refuse(line: number, error.message)
      }
    }
  }

  private func take(
    _ envelope: EventEnvelope, channel: String, _ tenant: Tenant
  ) async throws -> WebhookAnswer.Disposition {
    let instant = envelope.emittedAt ?? Instant(microseconds: 0)
    let now = Instant(clock())
    // A time in the future would outlast every fact that comes after it.
    guard instant <= now.advanced(by: Timing.toleratedFuture) else {
      throw RegistryError.invalid("emitted_at", "emitted_at lies in the future")
    }
    switch envelope.event.kind {
    case .data:
      guard envelope.emittedAt != nil else { return .data }
      return try await takeData(envelope.event.facts(at: instant, factID: "data").first, tenant)
    case .unknownAuthLike: return .unknownType
    default: break
    }
    let statements = WebhookStatements(
      tenantID: tenant.id, bodySHA256: Fingerprint.sha256(envelope.body), timestamp: instant.wholeSeconds,
      instant: instant, traceID: nil, channel: channel)
    return try await accept(envelope.event, body: envelope.body, as: statements)
  }
}

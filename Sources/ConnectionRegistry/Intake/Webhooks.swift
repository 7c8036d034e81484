import Foundation
import Logging
import Metrics
import NIOConcurrencyHelpers
public import NIOCore
import RegistryModel
import RegistryPostgres
import RegistrySQL
package import RegistryTerra

/// The signed channel: verifies a webhook over its raw body and makes it durable before it is acknowledged.
public struct Webhooks: Sendable {
  let database: RegistryDatabase
  let directory: TenantDirectory
  let timing: Timing
  let dataMinutes: DataMinutes
  let rejections: Rejections
  let clock: @Sendable () -> Date
  let logger: Logger

  /// Takes one delivery in. One that is rejected is recorded after it was answered, while ``ConnectionRegistry/run()`` runs.
  ///
  /// - Parameters:
  ///   - tenant: the slug in the path.
  ///   - headers: all headers as they came, repeated ones too.
  ///   - body: the raw body as it streams; data of up to 32 MiB passes in constant memory, auth events have up to
  ///     256 KiB.
  /// - Returns: what became of it and the status to answer with; for an unknown tenant the same, and after the same
  ///   work, as for a wrong signature.
  /// - Throws: ``RegistryError`` of code `database_unavailable` where nothing could be made durable (answer 503, so
  ///   that Terra tries again), or what the body throws.
  public func receive<Body: AsyncSequence>(
    tenant: String, headers: [(name: String, value: String)], body: Body
  ) async throws -> WebhookAnswer where Body.Element == ByteBuffer {
    let entry = try await directory.find(tenant)
    let read = WebhookHeaders(headers)
    let signature = try? read.signature.get()
    var taken = WebhookBody(verifier: Self.verifier(signature, secrets: entry?.signingSecrets ?? []))
    for try await piece in body {
      guard taken.take(piece.readableBytesView) else { return counted(.tooLarge) }
    }
    let isAuthentic = taken.isAuthentic
    guard isAuthentic, let entry, let signature, !entry.signingSecrets.isEmpty else {
      // Made for whatever tenant, and written later: the answer must not tell which tenants exist.
      let rejection = Rejection(taken, read, at: clock())
      if let entry { rejections.take(rejection, of: entry.tenant.id) }
      return counted(.rejected)
    }
    return counted(try await take(taken, read, signature, entry.tenant))
  }

  /// With no secret or no signature the same work is done with ones that nobody has.
  private static func verifier(_ signature: TerraSignature?, secrets: [[UInt8]]) -> SignatureVerifier {
    let dummy = Array("a secret that signs nothing".utf8)
    return SignatureVerifier(signature: signature ?? .nobodys, secrets: secrets.isEmpty ? [dummy] : secrets)
  }

  private func take(
    _ body: WebhookBody, _ headers: WebhookHeaders, _ signature: TerraSignature, _ tenant: Tenant
  ) async throws -> WebhookAnswer.Disposition {
    let instant = Instant.ofSignedEvent(
      t: signature.timestamp, orderingTimestampMilliseconds: headers.orderingTimestampMilliseconds)
    let statements = WebhookStatements(
      tenantID: tenant.id, bodySHA256: body.sha256, timestamp: signature.timestamp, instant: instant,
      traceID: headers.traceID, channel: "webhook")
    guard body.isComplete else {
      let sniffed = body.sniffed
      guard sniffed.kind == .data || sniffed.kind == nil else { return .tooLarge }
      return try await takeData(sniffed.dataFact(at: instant), tenant)
    }
    let event: TerraEvent
    do {
      event = try TerraEvent.decode(body.buffered)
    } catch {
      // A data webhook need only be whole enough to be looked through.
      let sniffed = body.sniffed
      if sniffed.isComplete, sniffed.kind == .data { return try await takeData(sniffed.dataFact(at: instant), tenant) }
      let kept = try await database.run(
        tenant.id, locking: [statements.meetingKey],
        statements.keeping(
          .unreadable, reason: error.code.description, type: sniffed.type.flatMap(Self.storable),
          userID: sniffed.userID.flatMap { try? UserID($0).rawValue },
          subjects: ErasedSubject.named(in: body.buffered), headers: headers, body: body.buffered))
      return Self.isErased(kept, WebhookStatements.receiptIndex) ? .erased : .unreadable
    }
    switch event.kind {
    case .data:
      return try await takeData(event.facts(at: instant, factID: "data").first, tenant)
    case .unknownAuthLike:
      let kept = try await database.run(
        tenant.id, locking: [statements.meetingKey],
        statements.keeping(
          .unknownType, reason: "unknown_type", type: Self.storable(event.type), userID: event.connection?.userID,
          subjects: ErasedSubject.named(in: body.buffered), headers: headers, body: body.buffered))
      return Self.isErased(kept, WebhookStatements.receiptIndex) ? .erased : .unknownType
    default: break
    }
    let age = clock().timeIntervalSince1970 - Double(signature.timestamp)
    if age > timing.horizon(of: tenant) || -age > Timing.toleratedFuture.inSeconds {
      let kept = try await database.run(
        tenant.id, locking: [statements.meetingKey],
        statements.keeping(
          .quarantined, reason: age > 0 ? "past_the_horizon" : "in_the_future", type: event.type,
          userID: event.connection?.userID, subjects: ErasedSubject.named(by: event), headers: headers,
          body: body.buffered))
      guard kept[WebhookStatements.receiptIndex].affectedRows == 0 else { return .quarantined }
      return Self.isErased(kept, WebhookStatements.receiptIndex) ? .erased : .duplicate
    }
    return try await accept(event, body: body.buffered, as: statements)
  }

  /// Makes an event durable that is to be accepted.
  package func accept(
    _ event: TerraEvent, body: [UInt8], as statements: WebhookStatements
  ) async throws -> WebhookAnswer.Disposition {
    try await accept(event, body: body, as: statements, audit: nil)
  }

  func accept(
    _ event: TerraEvent, body: [UInt8], as statements: WebhookStatements, audit: AuditEntry?
  ) async throws -> WebhookAnswer.Disposition {
    let acceptance = statements.accepting(event, body: body)
    let results = try await database.run(
      statements.tenantID, locking: acceptance.keys, naming: event.referenceID,
      acceptance.statements + [audit?.statement(tenantID: statements.tenantID)].compactMap { $0 })
    guard results[acceptance.eventIndex].affectedRows == 0 else { return .accepted }
    return Self.isErased(results, acceptance.eventIndex) ? .erased : .duplicate
  }

  /// Whether a statement wrote nothing because it is about somebody who was erased, as the one after it tells.
  private static func isErased(_ results: [PostgresResult], _ index: Int) -> Bool {
    results[index].affectedRows == 0 && !results[index + 1].rows.isEmpty
  }

  func takeData(_ fact: ConnectionFact?, _ tenant: Tenant) async throws -> WebhookAnswer.Disposition {
    guard let fact, (try? UserID(fact.userID)) != nil, let minute = fact.registers.data else { return .data }
    // A time in the future would outlast every error that comes after it.
    let now = Instant(clock())
    guard minute.instant <= now.advanced(by: Timing.toleratedFuture) else { return .data }
    guard dataMinutes.isNew(minute, tenantID: tenant.id, userID: fact.userID) else { return .data }
    let results = try await database.run(
      tenant.id, locking: [fact.userID],
      [
        fact.registers.joinStatement(tenantID: tenant.id, userID: fact.userID),
        ErasedSubject.find([.userID(fact.userID)], tenantID: tenant.id),
      ]
        + ConnectionTransition.statements(tenantID: tenant.id, userID: fact.userID, cause: .data(minute.rawValue)))
    if Self.isErased(results, 0) { return .erased }
    dataMinutes.remember(minute, tenantID: tenant.id, userID: fact.userID)
    return .data
  }

  private func counted(_ disposition: WebhookAnswer.Disposition) -> WebhookAnswer {
    Counter(label: "registry_webhooks_total", dimensions: [("disposition", disposition.rawValue)]).increment()
    return WebhookAnswer(disposition: disposition)
  }

  private static func storable(_ text: String) -> String? {
    text.utf8.contains(0) ? nil : String(text.prefix(200))
  }
}

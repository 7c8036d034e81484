import Foundation
import Logging
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

extension Gateway {
  /// Ends a connection, where the tenant does not only record: Terra's success is a fact, and so is that Terra does not
  /// know a connection that is known here, unless it knows none of the others either.
  func end(_ call: TerraForwardedCall, _ admission: Admission) async throws -> TerraForwardedReply {
    guard !admission.entry.tenant.shadow else { throw AuthSessions.shadow }
    let tenantID = admission.entry.tenant.id
    let userID = try GatewayQuery(call.rawQuery).single("user_id")
    let askedAt = Date()
    let reply = try await send(call, admission)
    guard let userID, (try? UserID(userID)) != nil else { return reply }
    await recording {
      switch reply.error?.code {
      case nil:
        try await ObservedFact(deauthenticationOf: userID, answeredAt: Date(), source: "gateway")
          .write(database, tenantID: tenantID)
      case .notFound: try await gone(userID, askedAt: askedAt, admission.entry)
      default: break
      }
    }
    return reply
  }

  /// Looks at Terra's connections. An answer about one id is a correction; a list shows who is there, and proves nothing
  /// about who is not.
  func look(_ call: TerraForwardedCall, _ admission: Admission) async throws -> TerraForwardedReply {
    let tenantID = admission.entry.tenant.id
    let userID = admission.operation == .userInfo ? try GatewayQuery(call.rawQuery).single("user_id") : nil
    let askedAt = Date()
    let reply = try await send(call, admission)
    await recording {
      if let userID {
        guard (try? UserID(userID)) != nil else { return }
        // That Terra does not know an id ends nothing here: asked with the key of another environment it knows nobody.
        guard let info = try? reply.userInfo(userID: userID), info.isAlive else { return }
        let row = try await rows([userID], tenantID)[userID]
        guard row?.isNews(info.user) != false else { return }
        try await ObservedFact(
          .alive, of: userID, askedAt: askedAt, source: "gateway", reason: "user_info",
          attributes: info.user.attributes
        ).write(database, tenantID: tenantID)
      } else if let users = try? reply.users() {
        try await present(users, askedAt: askedAt, tenantID)
      }
    }
    return reply
  }

  /// Whoever stands in a list and is not known here, or not yet, is written. What has ended here is not begun again by a
  /// list: that takes an answer about the one id.
  private func present(_ users: [TerraUser], askedAt: Date, _ tenantID: UUID) async throws {
    let alive = users.filter { $0.isActive == true }
    guard !alive.isEmpty else { return }
    let known = try await rows(alive.map(\.userID), tenantID)
    let facts = alive.compactMap { user -> ObservedFact? in
      if let row = known[user.userID] {
        guard row.status == .pending || row.status == .failed || row.referenceID == nil && user.referenceID != nil,
          !row.status.isEnded
        else { return nil }
      }
      return ObservedFact(
        .alive, of: user.userID, askedAt: askedAt, source: "gateway", reason: "listed", attributes: user.attributes)
    }
    try await ObservedFact.write(facts, database, tenantID: tenantID)
  }

  private func gone(_ userID: String, askedAt: Date, _ entry: TenantDirectory.Entry) async throws {
    let tenantID = entry.tenant.id
    guard let row = try await rows([userID], tenantID)[userID], !row.status.isEnded else { return }
    if row.status.isLive {
      let environment = OwnEnvironment(database: database, tenantID: tenantID)
      guard try await environment.isPlausible(besides: userID, entry.terraClient(deadline: terraDeadline)) else {
        logger.warning(
          "Terra knows neither a connection that was to end nor others that are alive here: is the key of this environment?",
          metadata: ["tenant": "\(entry.tenant.slug)"])
        return
      }
    }
    try await ObservedFact(.gone, of: userID, askedAt: askedAt, source: "gateway", reason: "unknown_to_terra")
      .write(database, tenantID: tenantID)
  }

  private func rows(_ userIDs: [String], _ tenantID: UUID) async throws -> [String: Connection] {
    try await Connection.several(userIDs, database, tenantID: tenantID)
  }

  /// Terra has answered, and its answer is the client's in any case; what could not be recorded comes with Terra's event
  /// or with the next comparison. In a task of its own: what Terra gave out must be known, also where the client has gone.
  func recording(_ write: @escaping @Sendable () async throws -> Void) async {
    await Task {
      do {
        try await write()
      } catch {
        logger.warning("an answer of Terra's could not be recorded", metadata: ["error": "\(error)"])
      }
    }.value
  }
}

extension Connection {
  /// The rows of several connections, by `user_id`.
  static func several(
    _ userIDs: [String], _ database: RegistryDatabase, tenantID: UUID
  ) async throws -> [String: Connection] {
    let storable = userIDs.filter { (try? UserID($0)) != nil }
    let rows = try await database.run(
      tenantID, RegistryStatements.connectionShowSeveral(.uuid(tenantID), .textArray(storable)))
    return Dictionary(
      try rows.rows.map(Connection.init(row:)).map { ($0.userID, $0) }, uniquingKeysWith: { first, _ in first })
  }
}

extension ObservedFact {
  /// How many are written in one transaction.
  static let batch = 50

  /// Writes several, a part at a time.
  static func write(_ facts: [ObservedFact], _ database: RegistryDatabase, tenantID: UUID) async throws {
    let sorted = facts.sorted { $0.userID.utf8.lexicographicallyPrecedes($1.userID.utf8) }
    for start in stride(from: 0, to: sorted.count, by: batch) {
      let part = sorted[start..<min(start + batch, sorted.count)]
      _ = try await database.run(
        tenantID, locking: part.map(\.userID), part.flatMap { $0.statements(tenantID: tenantID) })
    }
  }
}

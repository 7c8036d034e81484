import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL
import RegistryTerra

/// Something by which a person who was erased may be named again. Of those that were erased only a digest is kept, and who
/// writes what comes from outside leaves out what is about one of them.
///
/// There is none for a `reference_id`: the same person may come again, and Terra then gives a new `user_id`.
struct ErasedSubject: Sendable {
  private let kind: String
  private let id: String

  /// A connection.
  static func userID(_ id: String) -> ErasedSubject { ErasedSubject(kind: "user_id", id: id) }
  /// A session of the registry's.
  static func session(_ id: UUID) -> ErasedSubject { ErasedSubject(kind: "session", id: id.text) }
  /// The token in a session's redirect URLs, by its hash.
  static func attempt(_ sha256: [UInt8]) -> ErasedSubject {
    ErasedSubject(kind: "attempt", id: Fingerprint.hex(sha256))
  }
  /// A widget session, by Terra's id.
  static func terraSession(_ id: String) -> ErasedSubject { ErasedSubject(kind: "terra_session", id: id) }

  /// The digest; migration 0021 makes the same of a `user_id`.
  func digest(tenantID: UUID) -> [UInt8] { Fingerprint.sha256(of: [tenantID.text, kind, id]) }

  /// The parameter of a statement that writes nothing where one of some subjects was erased.
  static func fence(_ subjects: [ErasedSubject], tenantID: UUID) -> PostgresParameter {
    .bytesArray(subjects.map { $0.digest(tenantID: tenantID) })
  }

  /// What an event is about: its connections; the widget session only where it names none, because another may have come
  /// by it.
  static func named(by event: TerraEvent) -> [ErasedSubject] {
    let connections = [event.connection?.userID, event.oldConnection?.userID].compactMap { $0.map(userID) }
    return connections.isEmpty ? event.widgetSessionID.map { [terraSession($0)] } ?? [] : connections
  }

  /// What a JSON text is about, also one that is cut off or cannot be read as what it should be.
  static func named(in json: [UInt8]) -> [ErasedSubject] {
    let members = JSONNamedTexts.members(in: json).map { (name: PersonalName(member: $0.name), text: $0.text) }
    let connections = members.filter { $0.name == .userID }.map { userID($0.text) }
    return connections.isEmpty ? members.filter { $0.name == .terraSession }.map { terraSession($0.text) } : connections
  }

  /// Asks in the transaction that writes about some subjects which of them were erased.
  static func find(_ subjects: [ErasedSubject], tenantID: UUID) -> BoundStatement {
    RegistryStatements.erasedSubjectFind(.uuid(tenantID), fence(subjects, tenantID: tenantID))
  }

  /// Those of some connections' ids that were erased.
  static func erased(
    among userIDs: [String], _ database: RegistryDatabase, tenantID: UUID
  ) async throws -> Set<ExactText> {
    let digests = Dictionary(
      userIDs.map { (userID($0).digest(tenantID: tenantID), $0) }, uniquingKeysWith: { first, _ in first })
    let found = try await database.run(
      tenantID, RegistryStatements.erasedSubjectFind(.uuid(tenantID), .bytesArray(Array(digests.keys))))
    return Set(try found.rows.compactMap { digests[try $0.decode("digest")].map(ExactText.init) })
  }
}

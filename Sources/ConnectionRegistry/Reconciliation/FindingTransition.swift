import Foundation
import RegistryModel
import RegistryPostgres
import RegistrySQL

/// What follows a change of findings: the transitions in their log, and what tells endpoints of them.
///
/// Every writer of what a tenant sees of findings takes these statements at the end of its transaction, so that no transition
/// goes without its deliveries and none is told twice.
enum FindingTransition {
  /// The statements; they write nothing where nothing changed, and deliver nothing where no endpoint wants it.
  ///
  /// - Parameters:
  ///   - tenantID: the tenant.
  ///   - runID: the run that changed them; nil where it was none.
  /// - Returns: the log, what it takes for announced, then the deliveries.
  static func statements(tenantID: UUID, runID: UUID?) -> [BoundStatement] {
    let id = PostgresParameter.uuid(tenantID)
    return [
      RegistryStatements.findingChangeTenant(id),
      RegistryStatements.findingChangeAppend(id, .uuid(runID)),
      RegistryStatements.findingChangeAnnounce(id),
      RegistryStatements.deliveryAppendFindings(
        id, words.kinds, words.reasons, words.summaries, words.suggestions, words.documents, ages, bounds, severities,
        targets),
    ]
  }

  /// Lets what has been open too long escalate, once for each bound that it passes.
  static func escalate(tenantID: UUID) -> BoundStatement {
    func bounds(_ severity: FindingSeverity) -> PostgresParameter {
      .textArray(severity.escalations.map { "\($0)" })
    }
    return RegistryStatements.findingEscalate(
      .uuid(tenantID), bounds(.info), bounds(.warning), bounds(.critical)
    ).plannedAnew
  }

  private static let words = Words()
  private static let ages = PostgresParameter.textArray(FindingAge.allCases.map(\.rawValue))
  private static let bounds = PostgresParameter.textArray(FindingAge.allCases.dropLast().map { "\($0.upperBound)" })
  private static let severities = PostgresParameter.textArray(FindingSeverity.allCases.map(\.rawValue))
  private static let targets = PostgresParameter.textArray(FindingSeverity.allCases.map { "\($0.target)" })

  /// What a person is told about each kind and reason, as columns.
  private struct Words: Sendable {
    let kinds, reasons, summaries, suggestions, documents: PostgresParameter

    init() {
      let pairs = FindingKind.allCases.filter { !$0.isForOperatorsOnly }.flatMap { kind in
        kind.reasonCodes.map { (kind, $0) }
      }
      kinds = .textArray(pairs.map(\.0.rawValue))
      reasons = .textArray(pairs.map(\.1))
      summaries = .textArray(pairs.map { $0.summary(reasonCode: $1) })
      suggestions = .textArray(pairs.map { $0.suggestion(reasonCode: $1) })
      documents = .textArray(pairs.map(\.0.documentation))
    }
  }
}

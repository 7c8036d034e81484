import CLibpq
import Logging
import Synchronization

/// Receives the server's notices: logs them at debug and keeps the two that change the meaning of a commit.
final class NoticeSink: Sendable {
  /// What the notices of one operation said about its transaction.
  struct Findings: OptionSet, Sendable {
    let rawValue: UInt8

    /// The commit stands here but the wait for the synchronous standby was cut short.
    static let unreplicatedCommit = Findings(rawValue: 1)
    /// A COMMIT found no transaction: a statement had ended it before.
    static let noTransaction = Findings(rawValue: 2)
  }

  private let logger: Logger
  private let findings = Atomic<UInt8>(0)

  init(logger: Logger) {
    self.logger = logger
  }

  /// Makes libpq report to this sink, which must live as long as the connection.
  func attach(to connection: OpaquePointer) {
    PQsetNoticeReceiver(
      connection,
      { argument, result in
        guard let argument, let result else { return }
        Unmanaged<NoticeSink>.fromOpaque(argument).takeUnretainedValue().receive(result)
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  /// Forgets what was found, for the next operation.
  func reset() {
    findings.store(0, ordering: .relaxed)
  }

  var current: Findings { Findings(rawValue: findings.load(ordering: .relaxed)) }

  private func note(_ finding: Findings) {
    findings.bitwiseOr(finding.rawValue, ordering: .relaxed)
  }

  private func receive(_ result: OpaquePointer) {
    receive { PQresultErrorField(result, CInt(UInt8(ascii: $0))).map { String(cString: $0) } }
  }

  /// Takes in a notice.
  /// - Parameter field: gives its fields by their letters (PostgreSQL documentation, 55.8).
  func receive(_ field: (Unicode.Scalar) -> String?) {
    let state = field("C") ?? ""
    // The text is translated; the routine's name is not.
    if state == "01000", field("R") == "SyncRepWaitForLSN" {
      note(.unreplicatedCommit)
    }
    if state == SQLState.noActiveSQLTransaction.rawValue {
      note(.noTransaction)
    }
    logger.debug(
      "PostgreSQL notice",
      metadata: [
        "severity": "\(field("V") ?? "")", "sqlstate": "\(state)", "message": "\(field("M") ?? "")",
      ])
  }
}

import CLibpq
import Logging
import NIOConcurrencyHelpers

/// Receives the server's notices: logs them at debug and keeps the two that change the meaning of a commit.
final class NoticeSink: Sendable {
  /// What the notices of one operation said about its transaction.
  struct Findings: Sendable {
    /// The commit stands here but the wait for the synchronous standby was cut short.
    var hasUnreplicatedCommit = false
    /// A COMMIT found no transaction: a statement had ended it before.
    var hasNoTransaction = false
  }

  private let logger: Logger
  private let findings = NIOLockedValueBox(Findings())

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
    findings.withLockedValue { $0 = Findings() }
  }

  var current: Findings { findings.withLockedValue { $0 } }

  private func receive(_ result: OpaquePointer) {
    receive { PQresultErrorField(result, CInt(UInt8(ascii: $0))).map { String(cString: $0) } }
  }

  /// Takes in a notice.
  /// - Parameter field: gives its fields by their letters (PostgreSQL documentation, 55.8).
  func receive(_ field: (Unicode.Scalar) -> String?) {
    let state = field("C") ?? ""
    // The text is translated; the routine's name is not.
    if state == "01000", field("R") == "SyncRepWaitForLSN" {
      findings.withLockedValue { $0.hasUnreplicatedCommit = true }
    }
    if state == SQLState.noActiveSQLTransaction.rawValue {
      findings.withLockedValue { $0.hasNoTransaction = true }
    }
    logger.debug(
      "PostgreSQL notice",
      metadata: [
        "severity": "\(field("V") ?? "")", "sqlstate": "\(state)", "message": "\(field("M") ?? "")",
      ])
  }
}

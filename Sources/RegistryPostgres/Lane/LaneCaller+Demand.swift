extension LaneCaller.Demand {
  /// What a single statement asks for, checked on the caller's own thread.
  /// - Throws: `invalidParameter` for what cannot be sent.
  init(
    _ statement: PostgresStatement, preparesStatements: Bool, isIdempotent: Bool, deadline: LaneInstant
  ) throws(PostgresError) {
    self.init(
      statements: 1, bytes: try statement.checkedByteCount(),
      messageBytes: statement.messageBytes(isPrepared: preparesStatements), isolation: .serverDefault,
      isIdempotent: isIdempotent, deadline: deadline)
  }

  /// What a batch asks for, checked on the caller's own thread.
  /// - Throws: `invalidParameter` for what cannot be sent.
  init(
    _ batch: PostgresBatch, preparesStatements: Bool, isIdempotent: Bool, deadline: LaneInstant
  ) throws(PostgresError) {
    self.init(
      statements: batch.statements.count, bytes: try batch.checkedByteCount(),
      messageBytes: batch.statements.reduce(0) { $0 + $1.messageBytes(isPrepared: preparesStatements) },
      settingBytes: batch.settings.reduce(0) { $0 + $1.messageBytes }, isolation: batch.isolation, order: batch.order,
      isIdempotent: isIdempotent, deadline: deadline)
  }
}

extension PostgresStatement {
  /// What the messages that run it take as libpq sends them: Bind, Describe and Execute, and Parse where it is not
  /// prepared (PostgreSQL manual, chapter "Message Formats").
  fileprivate func messageBytes(isPrepared: Bool) -> Int {
    var bytes = 32
    if isPrepared, let name { bytes += name.utf8.count } else { bytes += 9 + text.utf8.count }
    for parameter in parameters { bytes += 6 + parameter.byteCount }
    return bytes
  }
}

extension PostgresBatch.Setting {
  /// What the messages that set it take.
  fileprivate var messageBytes: Int { 41 + text.utf8.count }
}

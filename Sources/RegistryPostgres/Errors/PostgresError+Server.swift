import CLibpq

extension PostgresError {
  /// Reads the error out of a result of status `PGRES_FATAL_ERROR`.
  ///
  /// The server's primary message goes into ``message`` only where it cannot quote a value: class 22 (data exceptions)
  /// quotes the offending input, and RAISE (P0001) says whatever its author wrote.
  static func reported(by result: OpaquePointer, isConnectionLost: Bool) -> PostgresError {
    func field(_ character: Character) -> String? {
      guard let code = character.asciiValue, let text = PQresultErrorField(result, CInt(code)) else { return nil }
      return String(cString: text)
    }
    let state = field("C").map(SQLState.init(_:))
    let primary = field("M") ?? "the server gave no message"
    var error = PostgresError(isConnectionLost ? .connectionLost : .server, "", sqlState: state)
    error.message = safeMessage(primary, state: state)
    error.constraintName = field("n").map(withoutShard)
    error.tableName = field("t").map(withoutShard)
    error.columnName = field("c")
    error.position = field("P").flatMap(Int.init)
    if state == nil {
      // A loss that libpq noticed itself has no fields, only text of libpq's own making.
      let text = String(cString: PQresultErrorMessage(result)).trimmed
      error.message = text.isEmpty ? "the connection was lost" : text.oneLine
    }
    if isConnectionLost {
      error.message += "; the connection is gone and the pool opens another"
    }
    if let advice = advice(for: state) { error.message += "; \(advice)" }
    var report = ["server message: \(primary)"]
    for (name, character) in [("detail", "D"), ("hint", "H"), ("context", "W"), ("routine", "R")]
      as [(String, Character)]
    {
      if let text = field(character) { report.append("\(name): \(text)") }
    }
    error.serverReport = report.joined(separator: "\n")
    return error
  }

  static func safeMessage(_ primary: String, state: SQLState?) -> String {
    switch state?.conditionClass {
    case "22", "P0":
      let name = state?.conditionName.map { "\($0.replacing("_", with: " "))" } ?? "data exception"
      return "the server refused a value (\(name)); its words quote the value and are kept out of this line: "
        + "pass one that fits the type the statement reads it as"
    default:
      return primary.oneLine
    }
  }

  /// What to do about a condition, where the server's words do not say it.
  static func advice(for state: SQLState?) -> String? {
    switch state {
    case SQLState.tooManyConnections:
      "lower the pools' maximum connections or raise the server's max_connections"
    case SQLState.invalidPassword: "check the user and the password of the connection string"
    case SQLState.invalidAuthorizationSpecification:
      "check the user of the connection string, and that the server's pg_hba.conf lets it in from here; where it asks "
        + "for TLS, say sslmode=verify-full and sslrootcert=/path/to/ca.pem"
    case SQLState.invalidCatalogName: "check the database of the connection string, or create it"
    case SQLState.cannotConnectNow: "the server is starting, stopping or recovering: try again soon"
    case SQLState.adminShutdown, SQLState.crashShutdown: "the server is stopping or was told to: try again soon"
    case SQLState.invalidSQLStatementName, SQLState.duplicatePreparedStatement:
      "behind a transaction pooler turn prepared statements off"
    case SQLState.readOnlySQLTransaction:
      "this is a read-only server: name all hosts and add target_session_attrs=read-write"
    case SQLState.syntaxError: "correct the statement's text"
    case SQLState.undefinedTable, SQLState.undefinedColumn:
      "correct the name, or run the migrations that this statement needs"
    case SQLState.undefinedFunction, SQLState.datatypeMismatch:
      "give the parameters types that fit, or cast them in the statement, as in $1::bigint"
    case SQLState.insufficientPrivilege: "grant the privilege to the role, or work as another"
    default: nil
    }
  }

  /// Citus names constraints and tables of shards `connection_pkey_102143`.
  static func withoutShard(_ name: String) -> String {
    guard let underscore = name.lastIndex(of: "_") else { return name }
    let suffix = name[name.index(after: underscore)...]
    guard !suffix.isEmpty, suffix.allSatisfy({ $0.isASCII && $0.isNumber }) else { return name }
    return String(name[..<underscore])
  }
}

extension PostgresResult {
  /// Whether it is an error after which the server closes the connection. The field `V` is never translated.
  var endsSession: Bool {
    PQresultErrorField(pointer, CInt(UInt8(ascii: "V"))).map { String(cString: $0) != "ERROR" } ?? false
  }
}

extension String {
  var trimmed: String {
    var text = self[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    while let first = text.first, first.isWhitespace { text.removeFirst() }
    return String(text)
  }

  var oneLine: String {
    split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}

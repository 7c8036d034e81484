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

  /// What a failed attempt to connect says, out of libpq's text in verbose form, which holds the SQLSTATE.
  static func connectionFailed(libpqMessage text: String) -> PostgresError {
    var state: SQLState?
    var lines: [String] = []
    for line in text.split(separator: "\n") where !line.hasPrefix("LOCATION:") {
      var line = String(line)
      // "FATAL:  28P01: password authentication failed …": the severity may be translated, the two spaces are not.
      if let found = line.firstRange(of: #/:  [0-9A-Z]{5}: /#) {
        state = SQLState(String(line[found].dropFirst(3).prefix(5)))
        line.replaceSubrange(found, with: ": ")
      }
      lines.append(line.trimmed)
    }
    var message = lines.joined(separator: " ")
    if message.isEmpty { message = "no connection could be made" }
    var error = PostgresError(.connectionFailed, message, sqlState: state)
    if let advice = advice(for: state) { error.message += "; \(advice)" }
    return error
  }

  static func safeMessage(_ primary: String, state: SQLState?) -> String {
    switch state?.conditionClass {
    case "22", "P0":
      let name = state?.conditionName.map { "\($0.replacing("_", with: " "))" } ?? "data exception"
      return "the server refused a value (\(name)); its words quote the value and are kept out of this line"
    default:
      return primary.oneLine
    }
  }

  private static func advice(for state: SQLState?) -> String? {
    switch state {
    case SQLState.tooManyConnections:
      "lower the pools' maximum connections or raise the server's max_connections"
    case SQLState.invalidPassword: "check the user and the password of the connection string"
    case SQLState.cannotConnectNow: "the server is starting, stopping or recovering: try again soon"
    case SQLState.invalidSQLStatementName, SQLState.duplicatePreparedStatement:
      "behind a transaction pooler turn prepared statements off"
    case SQLState.readOnlySQLTransaction:
      "this is a read-only server: name all hosts and add target_session_attrs=read-write"
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

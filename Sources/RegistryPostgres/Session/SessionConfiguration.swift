import Logging

/// What a session needs to be opened and to run.
struct SessionConfiguration: Sendable {
  var connectionString: String
  var target: ConnectionTarget
  var role: String?
  var applicationName: String
  /// Per host, where the connection string says nothing.
  var connectTimeout: Duration
  /// How long a cancelled statement may take to end before the connection is closed.
  var cancelGrace: Duration
  /// How long a thread may be held to wait for an answer.
  var directWait: Duration
  /// Who uses the connections of the same pool.
  var users: DirectWait.Users?
  var preparesStatements: Bool
  var maximumPreparedStatements: Int
  /// How many bytes of results one operation may gather in memory; `nil` for any number.
  var maximumResultBytes: Int? = ResultMeter.defaultLimit
  var reactor: Reactor
  var threads: BlockingThreads
  var logger: Logger

  /// The `options` sent at start-up: the connection string's, then the role.
  var startupOptions: String? {
    let role = role.map { "-c role=\(Self.escaped($0))" }
    let parts = [target.options, role].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: " ")
  }

  /// The server splits options at white space unless a backslash stands before it.
  private static func escaped(_ value: String) -> String {
    var escaped = ""
    for character in value {
      if character == "\\" || character.isWhitespace { escaped.append("\\") }
      escaped.append(character)
    }
    return escaped
  }
}

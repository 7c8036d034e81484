extension PostgresError {
  /// What a failed attempt to connect says, out of libpq's text in verbose form, which holds the SQLSTATE.
  static func connectionFailed(libpqMessage text: String) -> PostgresError {
    var state: SQLState?
    var lines: [String] = []
    for line in text.split(separator: "\n")
    where !line.hasPrefix("LOCATION:") && !line.hasPrefix("Either provide the file") {
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
    if state == nil, let finding = Finding.all.first(where: { message.contains($0.words) }) {
      error.message += "; \(finding.advice)"
      error.isBeyondWaiting = finding.isBeyondWaiting
    }
    return error
  }

  /// What to do about a failure that libpq found by itself. It has no SQLSTATE, and its words are English unless the
  /// program has chosen a language of the system's by `setlocale`; then the advice is left out.
  private struct Finding {
    var words: String
    var advice: String
    /// Whether the configuration is wrong, not the moment.
    var isBeyondWaiting = true

    static let all = [
      Finding(
        words: "certificate verify failed",
        advice: "the server's certificate has expired, or the CA in sslrootcert did not sign it: give "
          + "sslrootcert=/path/to/ca.pem, or renew the certificate; openssl s_client -starttls postgres shows it"),
      Finding(
        words: "does not match host name",
        advice: "sslmode=verify-full asks for a certificate of that name: give a host that the certificate names (and "
          + "hostaddr=… where that name does not resolve), or have a certificate issued for this one"),
      Finding(
        words: "root certificate file",
        advice: "name the file of the CA that signed the server's certificate: sslmode=verify-full "
          + "sslrootcert=/path/to/ca.pem"),
      Finding(
        words: "server does not support SSL",
        advice: "turn ssl on in the server; sslmode=disable is for networks that nobody else can listen to"),
      Finding(words: " value: \"", advice: "correct this option of the connection string"),
      Finding(
        words: "could not translate host name",
        advice: "check the host of the connection string, and that this machine resolves it", isBeyondWaiting: false),
      Finding(
        words: "session is read-only",
        advice: "target_session_attrs asks for a server that takes writes: name all hosts, so that it is found",
        isBeyondWaiting: false),
      Finding(
        words: "server is in hot standby mode",
        advice: "target_session_attrs asks for a primary: name all hosts, so that it is found", isBeyondWaiting: false),
      Finding(
        words: "server is not in hot standby mode",
        advice: "target_session_attrs asks for a standby: name all hosts, so that one is found", isBeyondWaiting: false),
    ]
  }
}

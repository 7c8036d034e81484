import CLibpq

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Opens sessions: tries each host under its own deadline.
///
/// `PQconnectStart` and `PQconnectPoll` resolve names, which blocks, so both run on the blocking threads; the waits
/// between their steps are the reactor's.
struct SessionOpener: Sendable {
  let configuration: SessionConfiguration

  /// Opens a session on the first host that accepts and has the session attributes asked for.
  /// - Throws: `connectionFailed` with what each host answered, `cancelled`.
  func open() async throws(PostgresError) -> Session {
    var failures: [PostgresError] = []
    let hosts = configuration.target.hosts
    for host in hosts {
      do {
        return try await open(host)
      } catch {
        if error.code == .cancelled { throw error }
        failures.append(error)
      }
    }
    guard var error = failures.first(where: \.isPermanentConnectionFailure) ?? failures.last else {
      throw PostgresError(.connectionFailed, "the connection string names no host")
    }
    if failures.count > 1 { error.message = failures.map(\.message).joined(separator: "; then ") }
    throw error
  }

  private func open(_ host: ConnectionTarget.Host) async throws(PostgresError) -> Session {
    let timeout = configuration.target.connectTimeout ?? configuration.connectTimeout
    let deadline = ContinuousClock.now + timeout
    let keywords = startKeywords(host)
    let started = await configuration.threads.run(
      until: deadline, reactor: configuration.reactor, observingCancellation: true
    ) {
      start(keywords)
    } dispose: { late in
      if let late { PQfinish(late.pointer) }
    }
    guard let started else { throw givenUp(after: timeout, host) }
    guard let connection = started else {
      throw PostgresError(.connectionFailed, "libpq could not allocate a connection")
    }
    let notices = NoticeSink(logger: configuration.logger)
    // libpq keeps the pointer to the sink, so the sink must live until the handle owns both.
    return try await withExtendedLifetimeAsync(notices) { () async throws(PostgresError) -> Session in
      try await establish(connection, notices, deadline: deadline, timeout: timeout, host)
    }
  }

  /// Drives `PQconnectPoll` to its end; finishes the connection on every failure.
  private func establish(
    _ connection: TransferredPointer, _ notices: NoticeSink, deadline: ContinuousClock.Instant, timeout: Duration,
    _ host: ConnectionTarget.Host
  ) async throws(PostgresError) -> Session {
    notices.attach(to: connection.pointer)
    // In verbose form the server's refusal carries its SQLSTATE, which libpq offers in no other way here.
    PQsetErrorVerbosity(connection.pointer, PQERRORS_VERBOSE)
    guard PQstatus(connection.pointer) != CONNECTION_BAD else { throw failed(connection) }
    var next = PGRES_POLLING_WRITING
    while next != PGRES_POLLING_OK {
      guard next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING else { throw failed(connection) }
      let registration: Registration
      do {
        // The socket may be another one after each step.
        registration = try configuration.reactor.register(duplicating: PQsocket(connection.pointer))
      } catch {
        PQfinish(connection.pointer)
        throw error
      }
      let interest: Interest = next == PGRES_POLLING_READING ? .read : .write
      let wakeup = await withTaskCancellationHandler {
        await registration.wait(for: interest, until: deadline, observingCancellation: true)
      } onCancel: {
        registration.cancel()
      }
      registration.close()
      guard wakeup == .ready else {
        PQfinish(connection.pointer)
        throw givenUp(after: timeout, host)
      }
      let step = await configuration.threads.run(
        until: deadline, reactor: configuration.reactor, observingCancellation: true
      ) {
        PQconnectPoll(connection.pointer)
      } dispose: { [notices] _ in
        withExtendedLifetime(notices) { PQfinish(connection.pointer) }
      }
      guard let step else { throw givenUp(after: timeout, host) }
      next = step
    }
    return try await adopt(connection, notices)
  }

  private func adopt(_ connection: TransferredPointer, _ notices: NoticeSink) async throws(PostgresError) -> Session {
    PQsetErrorVerbosity(connection.pointer, PQERRORS_DEFAULT)
    guard PQsetnonblocking(connection.pointer, 1) == 0 else { throw failed(connection) }
    let style = PQparameterStatus(connection.pointer, "DateStyle").map { String(cString: $0) } ?? "ISO"
    guard style.hasPrefix("ISO") else {
      PQfinish(connection.pointer)
      throw PostgresError(
        .invalidConfiguration,
        "the server's DateStyle is \(style): set it to ISO for this role (ALTER ROLE … SET datestyle = 'ISO')")
    }
    let registration: Registration
    do {
      registration = try configuration.reactor.register(duplicating: PQsocket(connection.pointer))
    } catch {
      PQfinish(connection.pointer)
      throw error
    }
    return Session(connection, registration: registration, notices: notices, configuration: configuration)
  }

  private func failed(_ connection: TransferredPointer) -> PostgresError {
    let text = PQerrorMessage(connection.pointer).map { String(cString: $0) } ?? ""
    PQfinish(connection.pointer)
    return PostgresError.connectionFailed(libpqMessage: text)
  }

  private func givenUp(after timeout: Duration, _ host: ConnectionTarget.Host) -> PostgresError {
    if Task.isCancelled { return PostgresError(.cancelled, "the task was cancelled while connecting") }
    let place = host.host ?? host.address ?? "the server"
    return PostgresError(
      .connectionFailed,
      "\(place) did not answer within \(timeout): check the host, the port and the firewall between, "
        + "or raise connect_timeout")
  }

  /// So that a host that is gone is noticed within a minute, while a statement runs as well as between two, and not
  /// after the system's two hours. Over TCP only; the connection string's own settings win, because they come later.
  private static let keepAlive = [
    (keyword: "keepalives_idle", value: "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
    ("tcp_user_timeout", "60000"),
  ]

  /// What is given to libpq besides the connection string; later keywords override the string's own.
  private func startKeywords(_ host: ConnectionTarget.Host) -> [(keyword: String, value: String)] {
    var keywords = Self.keepAlive
    keywords.append(("dbname", configuration.connectionString))
    if let name = host.host { keywords.append(("host", name)) }
    if let address = host.address { keywords.append(("hostaddr", address)) }
    if let port = host.port { keywords.append(("port", port)) }
    if let attributes = host.sessionAttributes { keywords.append(("target_session_attrs", attributes)) }
    if let options = configuration.startupOptions { keywords.append(("options", options)) }
    keywords.append(("client_encoding", "UTF8"))
    keywords.append(("fallback_application_name", configuration.applicationName))
    return keywords
  }
}

/// Calls `PQconnectStartParams`, which may resolve a name and so block.
private func start(_ keywords: [(keyword: String, value: String)]) -> TransferredPointer? {
  var copies: [UnsafeMutablePointer<CChar>?] = []
  defer { for copy in copies { free(copy) } }
  func pointers(_ texts: [String]) -> [UnsafePointer<CChar>?] {
    texts.map { text in
      let copy = strdup(text)
      copies.append(copy)
      return copy.map { UnsafePointer($0) }
    } + [nil]
  }
  let names = pointers(keywords.map(\.keyword))
  let values = pointers(keywords.map(\.value))
  return PQconnectStartParams(names, values, 1).map(TransferredPointer.init)
}

private func withExtendedLifetimeAsync<Value>(
  _ object: some AnyObject & Sendable, _ body: () async throws(PostgresError) -> Value
) async throws(PostgresError) -> Value {
  defer { withExtendedLifetime(object) {} }
  return try await body()
}

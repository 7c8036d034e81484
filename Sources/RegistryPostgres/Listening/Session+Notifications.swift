import CLibpq

extension Session {
  /// Begins to listen to some channels and ceases to listen to others, in one transaction.
  func change(
    listen: [String], unlisten: [String], until deadline: ContinuousClock.Instant
  ) async throws(PostgresError) {
    func quoted(_ channel: String) -> String { "\"\(channel.replacing("\"", with: "\"\""))\"" }
    let commands = listen.map { "LISTEN \(quoted($0))" } + unlisten.map { "UNLISTEN \(quoted($0))" }
    _ = try await executeScript(commands.joined(separator: "; "), until: deadline)
  }

  /// The channels that the server believes this connection to listen to.
  func listeningChannels(until deadline: ContinuousClock.Instant) async throws(PostgresError) -> Set<String> {
    let results = try await executeScript("SELECT pg_listening_channels()", until: deadline)
    guard let rows = results.last?.rows else { return [] }
    do {
      return Set(try rows.map { try $0.decode("pg_listening_channels", as: String.self) })
    } catch {
      throw PostgresError(.protocolViolation, "the server named its channels in a way that cannot be read")
    }
  }

  /// Waits for notifications.
  /// - Parameter deadline: when to come back without any.
  /// - Returns: what has come, in order; nothing at the deadline and for a cancelled task, whose notifications are still
  ///   there for the next call.
  func notifications(until deadline: ContinuousClock.Instant) async -> Result<[PostgresNotification], PostgresError> {
    // Decrypted bytes may sit inside the TLS library, where the reactor cannot see them, after each read.
    let isEncrypted = PQsslInUse(handle.pointer) == 1
    var isReadable = false
    while handle.pointer != nil {
      // On a loss libpq still hands out what came before it.
      var isLost = false
      for _ in 0..<(isEncrypted ? 2 : isReadable ? 1 : 0) where !isLost {
        isLost = PQconsumeInput(handle.pointer) == 0
      }
      while !isLost, registry_tls_pending(handle.pointer) > 0 { isLost = PQconsumeInput(handle.pointer) == 0 }
      let notifications = takeNotifications()
      if !notifications.isEmpty { return .success(notifications) }
      if isLost || handle.isBroken { break }
      let registration = registration
      let wakeup = await withTaskCancellationHandler {
        await registration.wait(for: .read, until: deadline, observingCancellation: true)
      } onCancel: {
        registration.cancel()
      }
      switch wakeup {
      case .ready: isReadable = true
      case .timedOut, .cancelled: return .success([])
      case .closed: return .failure(PostgresError(.closed, "the listener closed its connection"))
      }
    }
    return .failure(
      PostgresError(.connectionLost, "the server ended the connection; the listener opens another and listens again"))
  }

  private func takeNotifications() -> [PostgresNotification] {
    var notifications: [PostgresNotification] = []
    while let found = PQnotifies(handle.pointer) {
      notifications.append(
        PostgresNotification(
          channel: String(cString: found.pointee.relname), payload: String(cString: found.pointee.extra),
          processID: found.pointee.be_pid))
      PQfreemem(found)
    }
    return notifications
  }
}

import CLibpq
import Foundation
import Logging
import Testing

@testable import RegistryPostgres

/// A host that is gone says nothing; only the kernel's questions find out.
@Suite struct KeepAliveTests {
  private func options(_ addition: String) async throws -> [CInt] {
    let server = try FakeServer(.answering([]))
    var pool = PostgresPool.Configuration(server.connectionString + addition)
    pool.connectTimeout = .seconds(60)
    let configuration = SessionConfiguration(
      connectionString: pool.connectionString, target: try pool.validated(), role: nil, applicationName: "test",
      connectTimeout: pool.connectTimeout, cancelGrace: .seconds(1), directWait: .zero, preparesStatements: false,
      maximumPreparedStatements: 0, reactor: try Reactor.shared.get(), threads: .shared,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let session = try await SessionOpener(configuration: configuration).open()
    let options = await session.keepAliveOptions()
    await session.close()
    return options
  }

  @Test func asksAfterAPeerThatIsSilent() async throws {
    #expect(try await options("") == [1, 30, 10, 3, 60_000])
  }

  @Test func leavesTheLastWordToTheConnectionString() async throws {
    #expect(try await options(" keepalives_idle=7 keepalives_count=9 tcp_user_timeout=0") == [1, 7, 10, 9, 0])
    #expect(try await options(" keepalives=0").first == 0)
  }
}

extension Session {
  /// On or off, seconds of silence, seconds between questions, questions, and milliseconds for what is unanswered.
  fileprivate func keepAliveOptions() -> [CInt] {
    let socket = PQsocket(handle.pointer)
    let names = [
      (CInt(SOL_SOCKET), CInt(SO_KEEPALIVE)), (CInt(IPPROTO_TCP), CInt(TCP_KEEPIDLE)),
      (CInt(IPPROTO_TCP), CInt(TCP_KEEPINTVL)), (CInt(IPPROTO_TCP), CInt(TCP_KEEPCNT)),
      (CInt(IPPROTO_TCP), CInt(TCP_USER_TIMEOUT)),
    ]
    return names.map { level, name in
      var value: CInt = -1
      var size = socklen_t(MemoryLayout<CInt>.size)
      return getsockopt(socket, level, name, &value, &size) == 0 ? value : -1
    }
  }
}

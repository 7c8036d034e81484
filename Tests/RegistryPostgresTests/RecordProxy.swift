import Foundation
import Testing

/// Speaks TLS in front of a server that does not, in records as large as TLS allows.
struct RecordProxy {
  let port: Int
  private let process = Process()

  /// - Parameter server: without TLS; `server.pem` and `server.key` lie in its directory.
  init(_ server: PrivateServer) throws {
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [
      "python3", "-c", Self.program, "\(server.directory)/postgres/socket/.s.PGSQL.\(server.port)",
      "\(server.directory)/server.pem", "\(server.directory)/server.key",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    port = try #require(Int(line.trimmingCharacters(in: .whitespacesAndNewlines)), "the proxy did not start")
  }

  func stop() {
    // Signals that this process blocks are blocked in its children too.
    kill(process.processIdentifier, SIGKILL)
  }

  /// Gathers what the server says until a record is full or the server pauses.
  private static let program = """
    import select, socket, ssl, sys, threading

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def serve(plain):
        request = plain.recv(8, socket.MSG_WAITALL)
        server = socket.socket(socket.AF_UNIX)
        server.connect(sys.argv[1])
        if request[4:] != bytes([4, 210, 22, 47]):
            server.sendall(request + plain.recv(8, socket.MSG_WAITALL))
            server.close()
            plain.close()
            return
        plain.sendall(b"S")
        client = context.wrap_socket(plain, server_side=True)
        held = b""
        while True:
            ready = select.select([client, server], [], [], 0.005 if held else None)[0]
            if client in ready:
                data = client.recv(65536)
                while client.pending():
                    data += client.recv(65536)
                if not data:
                    return
                server.sendall(data)
            if server in ready:
                data = server.recv(65536)
                if not data:
                    return
                held += data
            while len(held) >= 16384 or held and server not in ready:
                client.sendall(held[:16384])
                held = held[16384:]

    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    """
}

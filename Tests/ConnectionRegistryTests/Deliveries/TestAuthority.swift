import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOSSL
import Subprocess
import Testing

/// A certificate authority that a test makes, and certificates of it and of another, in a directory of their own.
struct TestAuthority: Sendable {
  /// The certificates, each for the same key.
  enum Certificate: String, Sendable, CaseIterable {
    /// For ``host``, by the authority.
    case valid
    /// The same, but of the days before.
    case expired
    /// By the authority, for another name.
    case ofAnotherName
    /// For ``host``, by an authority that nobody trusts.
    case ofAStranger
  }

  /// The name that certificates are for; nobody else needs to resolve it.
  static let host = "backend.test"

  private let directory: String

  /// The file with the authority's own certificate.
  var root: String { directory + "/ca.pem" }

  /// Makes an authority for as long as a closure runs.
  static func with<Value>(_ body: (TestAuthority) async throws -> Value) async throws -> Value {
    let directory = FileManager.default.temporaryDirectory.appending(path: "authority-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let authority = TestAuthority(directory: directory)
    try await authority.makeCertificates()
    return try await body(authority)
  }

  private func makeCertificates() async throws {
    func path(_ file: String) -> String { "\(directory)/\(file)" }
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for authority in ["ca", "stranger"] {
      try await Self.openssl(
        ["req", "-x509"] + key
          + ["-keyout", path("\(authority).key"), "-out", path("\(authority).pem"), "-days", "2", "-subj", "/CN=CA"])
    }
    try await Self.openssl(
      ["req"] + key + ["-keyout", path("server.key"), "-out", path("server.csr"), "-subj", "/CN=\(Self.host)"])
    for certificate in Certificate.allCases {
      let name = certificate == .ofAnotherName ? "other.test" : Self.host
      let authority = certificate == .ofAStranger ? "stranger" : "ca"
      try Data("subjectAltName=DNS:\(name)\n".utf8).write(to: URL(filePath: path("names")))
      try await Self.openssl([
        "x509", "-req", "-in", path("server.csr"), "-CA", path("\(authority).pem"), "-CAkey", path("\(authority).key"),
        "-CAcreateserial", "-days", certificate == .expired ? "-1" : "2", "-extfile", path("names"), "-out",
        path("\(certificate.rawValue).pem"),
      ])
    }
  }

  /// Makes a connection one of a server that answers in plain HTTP, whatever it is sent.
  static let withoutTLS: @Sendable (any Channel) throws -> Void = { channel in
    try channel.pipeline.syncOperations.addHandler(PlainAnswer())
  }

  private final class PlainAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      context.writeAndFlush(
        NIOAny(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")), promise: nil)
    }
  }

  private static func openssl(_ arguments: [String]) async throws {
    let record = try await Subprocess.run(
      .name("openssl"), arguments: Arguments(arguments), input: .none, output: .discarded,
      error: .string(limit: 64 << 10))
    try #require(record.terminationStatus.isSuccess, "openssl: \(record.standardError)")
  }

  /// What makes a connection one of a server with a certificate.
  ///
  /// - Parameters:
  ///   - certificate: What the server shows.
  ///   - shown: Gets the name that each client asks for (SNI).
  /// - Returns: Prepares a channel.
  /// - Throws: `NIOSSLError` when the certificate cannot be read.
  func server(
    _ certificate: Certificate, _ shown: NIOLockedValueBox<[String?]> = NIOLockedValueBox([])
  ) throws -> @Sendable (any Channel) throws -> Void {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile("\(directory)/\(certificate.rawValue).pem").map {
        .certificate($0)
      }, privateKey: .privateKey(try NIOSSLPrivateKey(file: "\(directory)/server.key", format: .pem)))
    configuration.sslContextCallback = { values, promise in
      shown.withLockedValue { $0.append(values.serverHostname) }
      promise.succeed(.noChanges)
    }
    let context = try NIOSSLContext(configuration: configuration)
    return { try $0.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
  }
}

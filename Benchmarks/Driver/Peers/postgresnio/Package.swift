// swift-tools-version: 6.1
import Foundation
import PackageDescription

// A checkout given by POSTGRES_NIO_PATH serves where the package cannot be fetched.
let checkout = ProcessInfo.processInfo.environment["POSTGRES_NIO_PATH"]
let identity = checkout.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "postgres-nio"

let package = Package(
  name: "PostgresNIOPeer",
  platforms: [.macOS(.v15)],
  dependencies: [
    checkout.map { .package(path: $0) } ?? .package(url: "https://github.com/vapor/postgres-nio", from: "1.21.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.5.3"),
  ],
  targets: [
    .executableTarget(
      name: "PostgresNIOPeer",
      dependencies: [
        .product(name: "PostgresNIO", package: identity),
        .product(name: "Logging", package: "swift-log"),
      ])
  ])

// swift-tools-version: 6.1
import PackageDescription

// A package of a team's own: it knows the registry by its products only.
let package = Package(
  name: "own-package",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "connection-registry", path: "../.."),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
  ],
  targets: [
    .executableTarget(
      name: "Embedding",
      dependencies: [
        .product(name: "ConnectionRegistry", package: "connection-registry"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .executableTarget(
      name: "Serving",
      dependencies: [
        .product(name: "ConnectionRegistry", package: "connection-registry"),
        .product(name: "ConnectionRegistryHummingbird", package: "connection-registry"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(
      name: "TrialTests",
      dependencies: [.product(name: "ConnectionRegistryTesting", package: "connection-registry")]),
  ]
)

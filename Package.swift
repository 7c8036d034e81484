// swift-tools-version: 6.1
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "connection-registry",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "ConnectionRegistry", targets: ["ConnectionRegistry"]),
    .library(name: "ConnectionRegistryHummingbird", targets: ["ConnectionRegistryHummingbird"]),
    .executable(name: "registry", targets: ["registry"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    .systemLibrary(
      name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
    .target(name: "EmbedSQLParsing", swiftSettings: settings),
    .executableTarget(
      name: "EmbedSQLTool",
      dependencies: ["EmbedSQLParsing"],
      swiftSettings: settings),
    .plugin(name: "EmbedSQL", capability: .buildTool(), dependencies: ["EmbedSQLTool"]),
    .target(
      name: "RegistrySQL",
      dependencies: [.product(name: "Crypto", package: "swift-crypto")],
      path: "sql",
      exclude: ["benchmarks", "citus.sql", "migrations", "queries"],
      swiftSettings: settings,
      plugins: ["EmbedSQL"]),
    .target(name: "RegistryModel", swiftSettings: settings),
    .target(
      name: "RegistryTerra",
      dependencies: [
        "RegistryModel",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: settings),
    .target(
      name: "RegistryPostgres",
      dependencies: [
        "CLibpq",
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
    .target(
      name: "ConnectionRegistry",
      dependencies: [
        "RegistryModel", "RegistryPostgres", "RegistrySQL", "RegistryTerra",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
    .target(
      name: "ConnectionRegistryHummingbird",
      dependencies: [
        "ConnectionRegistry", "RegistryModel",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOFoundationCompat", package: "swift-nio"),
      ],
      swiftSettings: settings),
    .target(
      name: "TerraSandbox",
      dependencies: [
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Mustache", package: "swift-mustache"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
    .target(
      name: "EmbeddedPostgres",
      dependencies: [
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "registry",
      dependencies: [
        "ConnectionRegistry", "ConnectionRegistryHummingbird", "EmbeddedPostgres", "RegistryModel", "RegistryPostgres",
        "RegistrySQL", "TerraSandbox",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "DriverBenchmark",
      dependencies: [
        "CLibpq", "ConnectionRegistry", "RegistryModel", "RegistryPostgres", "RegistryTerra",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
      ],
      path: "Benchmarks/Driver/DriverBenchmark",
      swiftSettings: settings),

    .target(
      name: "TestDatabase",
      dependencies: ["ConnectionRegistry", "EmbeddedPostgres", "RegistryPostgres", "RegistrySQL"],
      path: "Tests/TestDatabase",
      swiftSettings: settings),
    .testTarget(
      name: "RegistryModelTests", dependencies: ["RegistryModel"], swiftSettings: settings),
    .testTarget(
      name: "RegistryTerraTests",
      dependencies: [
        "RegistryTerra", "RegistryModel",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdTesting", package: "hummingbird"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      resources: [.copy("Fixtures")], swiftSettings: settings),
    .testTarget(
      name: "RegistryPostgresTests",
      dependencies: [
        "RegistryPostgres", "CLibpq", "EmbeddedPostgres", "TestDatabase",
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "RegistrySQLTests",
      dependencies: [
        "ConnectionRegistry", "EmbedSQLParsing", "RegistrySQL", "RegistryModel", "RegistryPostgres", "TestDatabase",
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "EmbeddedPostgresProbe", dependencies: ["EmbeddedPostgres"],
      path: "Tests/EmbeddedPostgresProbe", swiftSettings: settings),
    .testTarget(
      name: "EmbeddedPostgresTests",
      dependencies: [
        "EmbeddedPostgres", "EmbeddedPostgresProbe", "TestDatabase",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "ConnectionRegistryTests",
      dependencies: [
        "ConnectionRegistry", "ConnectionRegistryHummingbird", "RegistryModel", "RegistryPostgres", "RegistrySQL",
        "RegistryTerra", "TestDatabase", "TerraSandbox",
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "HummingbirdTesting", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      resources: [.copy("Fixtures")], swiftSettings: settings),
    .testTarget(
      name: "TerraSandboxTests",
      dependencies: [
        "TerraSandbox",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "RegistryCommandTests",
      dependencies: [
        "registry", "EmbeddedPostgres", "TerraSandbox", "TestDatabase",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: settings),
  ]
)

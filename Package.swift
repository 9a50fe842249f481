// swift-tools-version: 6.3
import PackageDescription

/// What every target is held to.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "tandem",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-http-structured-headers", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .systemLibrary(
            name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(name: "EventLoop", dependencies: ["CLinux"], swiftSettings: strict),
        .target(
            name: "PostgresClient", dependencies: ["CLibpq", "CLinux", "EventLoop"],
            swiftSettings: strict),
        .target(
            name: "CoordinatorAPI",
            dependencies: [
                "CommitProtocol", "HTTPServer", "TransactionEngine", yams,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "RawStructuredFieldValues", package: "swift-http-structured-headers"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            resources: [.embedInCode("Contract/openapi.yaml")],
            swiftSettings: strict),
        .target(
            name: "PostgresTransactions",
            dependencies: [
                "CommitProtocol", "EventLoop", "PostgresClient", "TransactionEngine", logging,
            ],
            swiftSettings: strict),
        .systemLibrary(
            name: "CMicrohttpd", pkgConfig: "libmicrohttpd",
            providers: [.apt(["libmicrohttpd-dev"])]),
        .target(
            name: "HTTPServer",
            dependencies: [
                "CMicrohttpd", .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: strict),
        .target(name: "CommitProtocol", swiftSettings: strict),
        .target(
            name: "TransactionEngine", dependencies: ["CommitProtocol", logging],
            swiftSettings: strict),
        .target(name: "PostgresClusters", swiftSettings: strict),
        .executableTarget(name: "limit"),
        .executableTarget(
            name: "tandem",
            dependencies: [
                "CLinux", "CommitProtocol", "CoordinatorAPI", "EventLoop", "HTTPServer",
                "PostgresClient", "PostgresClusters", "PostgresTransactions", "TransactionEngine",
                logging, yams,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "EventLoopTests", dependencies: ["EventLoop"], swiftSettings: strict),
        .testTarget(
            name: "CoordinatorAPITests",
            dependencies: ["CoordinatorAPI", yams], swiftSettings: strict),
        .testTarget(
            name: "PostgresTransactionsTests", dependencies: ["PostgresTransactions"],
            swiftSettings: strict),
        .testTarget(
            name: "PostgresClustersTests", dependencies: ["PostgresClusters"],
            swiftSettings: strict),
        .testTarget(
            name: "TandemTests",
            dependencies: [
                "tandem", "CoordinatorAPI", "EventLoop", "PostgresClient", "PostgresClusters",
            ], swiftSettings: strict),
    ],
    cLanguageStandard: .c17
)

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

let package = Package(
    name: "tandem",
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
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
    ]
)
